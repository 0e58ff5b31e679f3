'use strict';
'require baseclass';
'require poll';
'require truca.daemon as daemon';

/*
 * What the views are made of: sections that are drawn again in place, the one table, notices, and figures in
 * words. Children are always lists: LuCI takes a list's strings as text, but a bare string as HTML.
 */

/* How often everything is asked for again, in seconds */
const PERIOD = 5;

/* One or several, as a list */
function listed(value) {
	return Array.isArray(value) ? value : [ value ];
}

/*
 * Makes `children` the content of a node, and leaves alone what is the same as before, so that a selection,
 * the focus and an open menu survive. What can be pressed carries its target in an attribute: elements that
 * are equal do the same.
 */
function fill(node, children) {
	children.forEach((child, i) => {
		const old = node.childNodes[i];
		const fresh = (typeof child == 'string') ? document.createTextNode(child) : child;

		if (!old)
			node.appendChild(fresh);
		else if (!old.isEqualNode(fresh))
			node.replaceChild(fresh, old);
	});

	while (node.childNodes.length > children.length)
		node.removeChild(node.lastChild);

	return node;
}

/**
 * A table: `columns` are { title, cell(row), narrow }; `key(row)` tells rows apart; `empty` is what it says
 * without rows. The one place where rows are built; on a phone LuCI's themes stack them under their titles.
 *
 * @template Row
 * @param {Truca.Column<Row>[]} columns
 * @param {(row: Row) => string} key
 * @param {string} empty
 */
function table(columns, key, empty) {
	const head = E('tr', { 'class': 'tr table-titles' },
		columns.map((column) => E('th', { 'class': 'th' }, [ column.title ])));
	const list = E('table', { 'class': 'table truca-table' }, [ head ]);
	const nothing = E('p', { 'class': 'truca-empty' }, [ E('em', {}, [ empty ]) ]);

	/** @param {Row} row */
	const build = (row) => E('tr', { 'class': 'tr', 'data-key': key(row) }, columns.map((column) =>
		E('td', { 'class': 'td' + (column.narrow ? ' truca-narrow' : ''), 'data-title': column.title },
			listed(column.cell(row)))));

	return {
		node: E('div', {}, [ list, nothing ]),
		/** @param {Row[]} rows */
		update(rows) {
			list.style.display = rows.length ? '' : 'none';
			nothing.style.display = rows.length ? 'none' : '';
			fill(list, [ head, ...rows.map(build) ]);
		}
	};
}

/* A part of the page with a title; what is in `body` can be filled again */
function section(title, intro, children) {
	const body = E('div', { 'class': 'truca-body' }, children || []);
	const node = E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ title ]),
		intro ? E('p', { 'class': 'cbi-section-descr' }, [ intro ]) : '',
		body
	]);

	return { node: node, body: body, show: (children) => fill(body, children) };
}

/* Names and values under one another; pairs without a value are left out */
function facts(pairs) {
	const list = [];

	pairs.forEach(([ name, value ]) => {
		if (value == null || value === '')
			return;

		list.push(E('dt', {}, [ name ]), E('dd', {}, listed(value)));
	});

	return E('dl', { 'class': 'truca-facts' }, list);
}

/* A box that asks for attention: `level` is warning, error or notice */
function notice(level, title, children) {
	return E('div', { 'class': 'alert-message ' + level, 'role': 'status' },
		[ E('h4', {}, [ title ]), ...children ]);
}

function paragraph(text) {
	return E('p', {}, [ text ]);
}

/* A button whose press waits for its promise; `key` says what it acts on, see fill() */
function button(title, style, key, press) {
	return E('button', {
		'class': 'btn cbi-button ' + style,
		'data-key': key,
		'click': (ev) => {
			const node = ev.currentTarget;

			ev.preventDefault();
			node.disabled = true;
			node.classList.add('spinning');

			return Promise.resolve(press(ev)).finally(() => {
				node.disabled = false;
				node.classList.remove('spinning');
			});
		}
	}, [ title ]);
}

/**
 * What to say and to do when there are no answers; `again` asks once more
 *
 * @param {Truca.Failure} failed
 * @param {() => Promise<unknown>} again
 */
function failure(failed, again) {
	const start = () => button(_('Start Truca'), 'cbi-button-apply', 'start', () =>
		daemon.start().then(again, again));
	const settings = () => E('a', { 'class': 'btn cbi-button', 'href': L.url('admin/services/truca/settings') },
		[ _('Open the settings') ]);
	const log = () => E('a', { 'class': 'btn cbi-button', 'href': L.url('admin/status/logs/syslog') },
		[ _('Open the system log') ]);
	const actions = (buttons) => E('div', { 'class': 'truca-actions' }, buttons);

	switch (failed.kind) {
	case 'starting':
		return notice('notice', _('Truca is starting'), [
			paragraph(_('This page fills by itself as soon as it answers.')),
			paragraph(_('If that takes more than a minute, its connection to ubus may be refused; the system log says why.')),
			actions([ log() ])
		]);
	case 'settings':
		return notice('error', _('Truca does not start: a setting has a mistake'), [
			E('pre', {}, [ failed.message || '' ]),
			paragraph(_('Put the option that is named here right, and save. Truca then starts by itself.')),
			actions([ settings() ])
		]);
	case 'stopped':
		return notice('error', _('Truca is not running'), [
			paragraph(_('Nobody can ring through this router until it runs.')),
			failed.code ? paragraph(_('It ended by itself with status %d; the system log says why.').format(failed.code)) : '',
			actions([ start(), log() ])
		]);
	case 'denied':
		return notice('error', _('This login may not look at Truca'), [
			paragraph(_('Sign in as root, or give this login the right "luci-app-truca" in /etc/config/rpcd.'))
		]);
	case 'other-version':
		return notice('error', _('Truca and these pages are of different versions'), [
			paragraph(_('Upgrade the packages truca and luci-app-truca together, then load this page again.'))
		]);
	case 'slow':
		return notice('warning', _('Truca does not answer'), [
			paragraph(_('The router may be busy; this page goes on asking. If it stays like this, restart Truca.')),
			actions([ button(_('Restart Truca'), 'cbi-button-reset', 'restart', () => daemon.start().then(again, again)), log() ])
		]);
	default:
		return notice('error', _('The router does not answer'), [
			paragraph(failed.message || ''),
			paragraph(_('Are you still connected to it? This page goes on asking.'))
		]);
	}
}

/**
 * A page that lives: `ask()` gives what daemon.ask() gives, `draw(data)` fills the sections. While there are
 * no answers the page says why in their place, and it comes back by itself.
 *
 * @template {{ failed?: Truca.Failure }} Data
 * @param {Data} first
 * @param {string} title
 * @param {Child[]} sections
 * @param {() => Promise<Data>} ask
 * @param {(data: Data) => void} draw
 * @returns {Truca.Live}
 */
function live(first, title, sections, ask, draw) {
	const trouble = E('div', {});
	const body = E('div', {}, sections);
	/** @param {Data} data */
	const show = (data) => {
		body.style.display = data.failed ? 'none' : '';
		fill(trouble, data.failed ? [ failure(data.failed, refresh) ] : []);

		if (!data.failed)
			draw(data);
	};
	let asked = 0;
	const refresh = () => {
		const turn = ++asked;

		// An answer that was overtaken by a later question is not shown
		return ask().then((data) => (turn == asked) ? show(data) : null);
	};

	show(first);
	poll.add(refresh, PERIOD);

	return {
		node: E('div', { 'class': 'truca' }, [
			E('link', { 'rel': 'stylesheet', 'href': L.resource('truca/truca.css') }),
			E('h2', {}, [ title ]),
			trouble,
			body
		]),
		refresh: refresh
	};
}

/* Seconds as a length of time, in two steps at most */
function duration(seconds) {
	const days = Math.floor(seconds / 86400);
	const hours = Math.floor(seconds / 3600) % 24;
	const minutes = Math.floor(seconds / 60) % 60;

	if (days)
		return _('%d d %d h').format(days, hours);

	if (hours)
		return _('%d h %d min').format(hours, minutes);

	return minutes ? _('%d min').format(minutes) : _('%d s').format(seconds);
}

/* Bytes in the unit that fits */
function size(bytes) {
	if (bytes < 1024)
		return '%d B'.format(bytes);

	return (bytes < 1048576) ? '%.1f KiB'.format(bytes / 1024) : '%.1f MiB'.format(bytes / 1048576);
}

/** A page before it is drawn
 * @type {Truca.Live} */
const nothing = { node: E('div', {}), refresh: () => Promise.resolve(null) };

return baseclass.extend({
	PERIOD: PERIOD,
	fill: fill,
	table: table,
	section: section,
	facts: facts,
	notice: notice,
	paragraph: paragraph,
	button: button,
	live: live,
	nothing: nothing,
	duration: duration,
	size: size
});
