'use strict';
'require view';
'require truca.chart as chart';
'require truca.daemon as daemon';
'require truca.parts as parts';
'require truca.words as words';

/* The nodes of the mesh as this one sees them: a map of its neighbourhood, all of them in a table, and what
   looks for more. */

/* Rows that are shown before somebody searches: a table of a thousand is of no use to anybody */
const ROWS = 200;

/** @typedef {Truca.Member & { linked: boolean, loss_pct: number | null, quality: string | null }} Known */

/**
 * Members with what is known of the link to them
 *
 * @param {Truca.Member[]} members
 * @param {Truca.Link[]} links
 * @returns {Known[]}
 */
function join(members, links) {
	const byId = /** @type {Record<string, Truca.Link | undefined>} */ ({});

	links.forEach((link) => { byId[link.id] = link; });

	return members.map((member) => {
		const link = byId[member.id];

		return Object.assign({}, member, {
			linked: link != null,
			loss_pct: link ? link.loss_pct : null,
			quality: words.quality(member.rtt_ms, link ? link.loss_pct : null)
		});
	}).sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/** This node, then those that are there, then the others
 * @param {Truca.Member} member */
function rank(member) {
	return [ 'self', 'alive', 'down' ].indexOf(member.state);
}

/** @param {Known} member */
function state(member) {
	switch (member.state) {
	case 'self': return _('this node');
	case 'alive': return _('there');
	default: return _('not reachable');
	}
}

/** @param {Known} member */
function quality(member) {
	const word = words.qualityWord(member.quality);

	if (member.state != 'alive')
		return '—';

	return E('span', { 'class': 'truca-quality truca-' + (member.quality || 'unknown') }, [
		member.rtt_ms == null ? word : _('%s, %d ms').format(word, member.rtt_ms)
	]);
}

/** @param {Known} member */
function describe(member) {
	const people = N_(member.people, '%d person', '%d people').format(member.people);

	return '%s: %s, %s'.format(member.name, state(member), people);
}

/** @param {number} count */
function times(count) {
	return count ? N_(count, '%d time', '%d times').format(count) : '—';
}

/**
 * @param {Known} member
 * @param {string} wanted
 */
function matches(member, wanted) {
	return [ member.name, member.id, member.address || '' ].some((text) => text.toLowerCase().includes(wanted));
}

function ask() {
	return daemon.ask({
		members: daemon.members(),
		links: daemon.links(),
		discovery: daemon.discovery()
	});
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: ask,

	render(first) {
		const map = parts.section(_('Map'), _('Lines are open links, the numbers are people. Nodes without a line are known through others.'));
		const list = parts.section(_('Nodes'), '');
		const looking = parts.section(_('Where nodes are looked for'), '');
		const trying = parts.section(_('Addresses that are tried'), _('What was found, and whether a node answers there.'));
		const more = E('p', {});
		const absent = E('p', {});
		const search = E('input', {
			'type': 'search', 'class': 'cbi-input-text', 'placeholder': _('Name, id or address'), 'aria-label': _('Search nodes'),
			'input': () => draw()
		});
		const table = parts.table(/** @type {Truca.Column<Known>[]} */ ([
			{ title: _('Name'), cell: (row) => E('strong', {}, [ row.name ]) },
			{ title: _('State'), cell: state },
			{ title: _('Quality'), cell: quality },
			{ title: _('Found'), cell: (row) => words.source(row.source) },
			{ title: _('People'), cell: (row) => String(row.people), narrow: true },
			{ title: _('Version'), cell: (row) => row.version, narrow: true },
			{ title: _('Address'), cell: (row) => row.address || '—' },
			{ title: _('Node id'), cell: (row) => E('code', {}, [ row.id ]) }
		]), (row) => row.id, _('No node has this in its name, id or address.'));
		const sources = parts.table(/** @type {Truca.Column<Truca.Source>[]} */ ([
			{ title: _('Where'), cell: (row) => words.source(row.source) },
			{ title: _('State'), cell: words.sourceState },
			{ title: _('Addresses'), cell: (row) => String(row.addresses), narrow: true },
			{ title: _('Not understood'), cell: (row) => times(row.malformed), narrow: true }
		]), (row) => row.source, _('Nothing is heard here. Switch on mDNS or add a neighbour in the settings.'));
		const tried = parts.table(/** @type {Truca.Column<Truca.Candidate>[]} */ ([
			{ title: _('Address'), cell: (row) => E('code', {}, [ row.address ]) },
			{ title: _('Found'), cell: (row) => row.sources.map(words.source).join(', ') || _('in the settings') },
			{ title: _('State'), cell: (row) => row.reached ? _('a node answers') : _('no node answered yet') },
			{ title: _('Failed'), cell: (row) => times(row.failures), narrow: true },
			{ title: _('Next try'), cell: (row) => _('in %s').format(parts.duration(row.due_s)), narrow: true }
		]), (row) => row.address, _('No address is being tried.'));

		/** @type {Known[]} */
		let members = [];

		const draw = () => {
			const wanted = search.value.trim().toLowerCase();
			const found = members.filter((member) => matches(member, wanted));

			table.update(found.slice(0, ROWS));
			parts.fill(more, found.length > ROWS
				? [ _('%d more. Search for a name to see them.').format(found.length - ROWS) ] : []);
		};

		list.show([ E('div', { 'class': 'truca-search' }, [ search ]), table.node, more ]);
		looking.show([ sources.node, absent ]);
		trying.show([ tried.node ]);

		return parts.live(first, _('Mesh'), [ map.node, list.node, looking.node, trying.node ], ask, (data) => {
			members = join(data.members.members, data.links.links);

			const others = members.length - 1;
			const hidden = others - chart.MAP_MAX;

			map.show(others
				? [
					chart.meshMap(members.map((member) => Object.assign({ text: describe(member) }, member)), _('Map of the mesh')),
					hidden > 0 ? parts.paragraph(_('%d more are only in the table.').format(hidden)) : ''
				]
				: [
					parts.paragraph(_('No other node is known yet. Neighbours appear by themselves when their routers have Truca.')),
					parts.paragraph(_('If one should be here: is its port let in by both firewalls? Otherwise add its address as a fixed neighbour in the settings.'))
				]);
			draw();
			const on = data.discovery.sources.filter((row) => row.state != 'off');
			const missing = on.filter((row) => row.state == 'absent').map((row) => words.source(row.source));

			sources.update(on.filter((row) => row.state != 'absent'));
			parts.fill(absent, missing.length ? [ _('Not on this router: %s.').format(missing.join(', ')) ] : []);
			tried.update(data.discovery.candidates);
		}).node;
	}
});
