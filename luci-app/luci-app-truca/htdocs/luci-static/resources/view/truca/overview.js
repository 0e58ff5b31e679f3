'use strict';
'require view';
'require truca.chart as chart';
'require truca.daemon as daemon';
'require truca.parts as parts';
'require truca.words as words';

/* The node at a glance: who it is, how to get in, who is here, what it costs, and what the owner should do. */

/* Samples that a sparkline shows: five minutes at parts.PERIOD */
const SAMPLES = 60;

/* The figures of the last minutes; the browser keeps them, the router has better things to do */
const history = {
	/** @type {Truca.Status | null} */
	before: null,
	/** @type {number[]} */
	incoming: [],
	/** @type {number[]} */
	outgoing: [],
	/** @type {number[]} */
	busy: []
};

function remember(list, value) {
	list.push(value);

	if (list.length > SAMPLES)
		list.shift();
}

/**
 * Rates since the last answer
 *
 * @param {Truca.Status} now
 */
function sample(now) {
	const before = history.before;
	const seconds = before ? now.uptime_s - before.uptime_s : 0;

	// A counter that fell is one that began again
	const rate = (value, old) => Math.max(0, value - old) / seconds;

	if (before && seconds > 0) {
		remember(history.incoming, rate(now.traffic.in_bytes, before.traffic.in_bytes));
		remember(history.outgoing, rate(now.traffic.out_bytes, before.traffic.out_bytes));

		if (now.cpu_ms != null && before.cpu_ms != null)
			remember(history.busy, rate(now.cpu_ms, before.cpu_ms) / 10);
	}

	// An answer of the same second says nothing new
	if (!before || seconds)
		history.before = now;
}

function figure(value, name, ...more) {
	return E('div', { 'class': 'truca-figure' },
		[ E('b', {}, [ String(value) ]), E('small', {}, [ name ]), ...more ]);
}

/* The last of a list of measurements, in words; before the second answer there is none */
function last(list, say) {
	return list.length ? say(list[list.length - 1]) : '…';
}

/** @param {Truca.Status} status */
function figures(status) {
	const rate = (bytes) => _('%s/s').format(parts.size(bytes));

	return [ E('div', { 'class': 'truca-figures' }, [
		figure(status.here, _('people here now')),
		figure(status.calls, _('calls in progress')),
		figure(status.members_alive, _('nodes in the mesh')),
		figure(status.rss_kib == null ? '—' : parts.size(status.rss_kib * 1024), _('memory'))
	]), E('div', { 'class': 'truca-figures' }, [
		figure(last(history.busy, (share) => '%.1f %%'.format(share)), _('of one processor'),
			chart.sparkline([ { 'class': '', values: history.busy } ], _('Processor time of the last minutes'))),
		figure(last(history.incoming.map((value, i) => value + history.outgoing[i]), rate), _('pages, links and STUN'),
			chart.sparkline([
				{ 'class': 'truca-in', values: history.incoming },
				{ 'class': 'truca-out', values: history.outgoing }
			], _('Traffic of the last minutes')),
			E('small', {}, [
				E('span', { 'class': 'truca-key truca-in' }, [ _('in') ]), ' ',
				E('span', { 'class': 'truca-key truca-out' }, [ _('out') ])
			]))
	]) ];
}

function link(url) {
	return E('a', { 'href': url, 'target': '_blank', 'rel': 'noreferrer' }, [ url ]);
}

/** @param {Truca.Status} status */
function identity(status) {
	return parts.facts([
		[ _('Name'), status.node.name ],
		[ _('Node id'), E('code', {}, [ status.node.id ]) ],
		[ _('Certificate'), E('code', {}, [ status.fingerprint ]) ],
		[ _('Pages'), status.pages.map((url) => E('div', {}, [ link(url) ])) ],
		[ _('Accounts'), _('%d of this node, %d in the mesh').format(status.accounts, status.people) ],
		[ _('Runs for'), parts.duration(status.uptime_s) ],
		[ _('Version'), status.version ]
	]);
}

/** @param {Truca.Decision} row */
function decided(row) {
	const at = row.addresses.length ? [ ' ', E('code', {}, [ row.addresses.join(' ') ]) ] : [];

	return E('li', {}, [ words.decision(row.code) || row.text, ...at ]);
}

const LOOPBACK = /^https?:\/\/(?:localhost|127\.[0-9.]+|\[::1\])(?::|\/|$)/;

/* The link that phones scan; the one chosen stays chosen */
function door() {
	const picture = E('div', {});
	const choice = E('select', {
		'class': 'cbi-input-select', 'aria-label': _('Link in the code'),
		'change': () => parts.fill(picture, [ chart.qrCode(choice.value) ])
	}, []);
	const hint = E('small', {}, []);

	return {
		node: E('div', { 'class': 'truca-door' }, [ choice, picture, hint ]),
		update(all) {
			// A phone would look for these on itself
			const pages = all.filter((url) => !LOOPBACK.test(url));

			parts.fill(hint, [ pages.length
				? _('Scan this with a phone of the same network, or send people the link.')
				: _('This node answers on this router only: no phone can open its page.') ]);
			parts.fill(choice, pages.map((url) => E('option', { 'value': url }, [ url ])));
			choice.style.display = pages.length > 1 ? '' : 'none';
			hint.style.display = all.length ? '' : 'none';
			parts.fill(picture, pages.length ? [ chart.qrCode(choice.value) ] : []);
		}
	};
}

function ask() {
	return daemon.ask({
		status: daemon.status(),
		sessions: daemon.sessions(),
		ice: daemon.ice(),
		settings: daemon.mistakes()
	});
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: ask,

	render(first) {
		const warnings = E('div', {});
		const facts = E('div', {});
		const qr = door();
		const node = parts.section(_('This node'), '', [
			E('div', { 'class': 'truca-side' }, [ facts, qr.node ])
		]);
		const numbers = parts.section(_('Now'), '');
		const people = parts.section(_('People signed in here'), '');
		const ice = parts.section(_('How calls find their way'),
			_('What browsers of this node are told for getting through NAT, and why.'));
		const table = parts.table(/** @type {Truca.Column<Truca.Session>[]} */ ([
			{ title: _('Name'), cell: (row) => E('strong', {}, [ row.display || '—' ]) },
			{ title: _('Address'), cell: (row) => E('code', {}, [ row.address ]) },
			{ title: _('For'), cell: (row) => parts.duration(row.age_s), narrow: true },
			{ title: _('State'), cell: (row) => row.attached ? _('connected') : _('away for a moment') }
		]), (row) => String(row.id), _('Nobody is signed in at this node. Give people the link above.'));

		const more = E('p', {});

		people.show([ table.node, more ]);

		return parts.live(first, _('Truca'), [ warnings, numbers.node, node.node, people.node, ice.node ], ask, (data) => {
			sample(data.status);
			parts.fill(warnings, words.warnings(data).map((warning) =>
				parts.notice(warning.level, warning.title, [ parts.paragraph(warning.text) ])));
			parts.fill(facts, [ identity(data.status) ]);
			qr.update(data.status.pages);
			numbers.show(figures(data.status));
			table.update(data.sessions.sessions);
			parts.fill(more, data.sessions.more ? [ _('and %d more').format(data.sessions.more) ] : []);
			ice.show([ E('ul', { 'class': 'truca-words' }, data.ice.decisions.map(decided)) ]);
		}).node;
	}
});
