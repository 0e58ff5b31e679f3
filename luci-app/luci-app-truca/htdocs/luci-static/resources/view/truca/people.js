'use strict';
'require ui';
'require view';
'require truca.daemon as daemon';
'require truca.parts as parts';

/* The accounts whose home is this node, what people have reported, and who is kept out. */

/* Accounts that are asked for at once: the router answers in milliseconds, and nobody reads more */
const LIMIT = 100;
/* How long a notice of what was done stays */
const READ_MS = 6000;

/* A question before something that cannot be undone, or that needs a word typed */
function dialog(title, children, action, style, press) {
	const close = () => ui.hideModal();

	ui.showModal(title, [ E('div', { 'class': 'truca' }, children), E('div', { 'class': 'right' }, [
		parts.button(_('Cancel'), '', 'cancel', close), ' ',
		parts.button(action, style, 'action', () => Promise.resolve(press()).then((keep) => keep || close()))
	]) ]);
}

function say(text, level) {
	const node = ui.addNotification(null, [ parts.paragraph(text) ], level);

	window.setTimeout(() => node.remove(), READ_MS);
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	filter: '',
	live: parts.nothing,

	ask() {
		return daemon.ask({
			accounts: daemon.accounts(this.filter, LIMIT),
			reports: daemon.reports(),
			bans: daemon.bans()
		});
	},

	load() {
		return this.ask();
	},

	/* Does a change, says how it went, and shows what is now */
	change(promise, done) {
		return promise.then(() => say(done, 'info'), (error) => say(daemon.explain(error), 'warning'))
			.then(() => this.live.refresh());
	},

	/** @param {Truca.Account} account */
	rename(account) {
		const input = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'maxlength': 48, 'value': account.display, 'aria-label': _('New name') });

		dialog(_('Rename'), [
			E('p', {}, [ _('The name that others see. The address stays:'), ' ', E('code', {}, [ account.address ]) ]),
			E('p', {}, [ input ])
		], _('Rename'), 'cbi-button-apply', () => {
			const name = input.value.trim();

			if (!name)
				return true;

			return this.change(daemon.accountSet(account.address, name), _('Renamed.')).then(() => false);
		});
		input.select();
	},

	/** @param {Truca.Account} account */
	resetDevices(account) {
		dialog(_('Reset devices'), [
			E('p', {}, [ E('strong', {}, [ account.display ]), ' ', E('code', {}, [ account.address ]) ]),
			parts.paragraph(_('All devices of this person are signed out and forgotten. The next one that takes this name gets the account: do it only when the person is there to sign in again.'))
		], _('Reset devices'), 'cbi-button-negative', () =>
			this.change(daemon.accountSet(account.address, null, null, true), _('The devices are forgotten.')));
	},

	/** @param {Truca.Account} account */
	remove(account) {
		dialog(_('Delete account'), [
			E('p', {}, [ E('strong', {}, [ account.display ]), ' ', E('code', {}, [ account.address ]) ]),
			parts.paragraph(_('The account and its devices are forgotten in the whole mesh, and its calls end. This cannot be undone.'))
		], _('Delete account'), 'cbi-button-negative', () =>
			this.change(daemon.accountDelete(account.address), _('The account is deleted.')));
	},

	/** @param {Truca.Account} account */
	admin(account) {
		return this.change(daemon.accountSet(account.address, null, !account.admin, null),
			account.admin ? _('No longer an administrator.') : _('Now an administrator.'));
	},

	/** @param {string} [id] */
	banDialog(id) {
		const target = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'value': id || '', 'placeholder': _('name@node or a node id'), 'aria-label': _('Whom') });
		const reason = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'maxlength': 120, 'aria-label': _('Why') });

		dialog(_('Keep out'), [
			parts.paragraph(_('A person who is kept out cannot sign in here or ring anybody here; a node that is kept out gets no link. Other nodes decide for themselves.')),
			parts.facts([ [ _('Whom'), target ], [ _('Why'), reason ] ])
		], _('Keep out'), 'cbi-button-negative', () => {
			const whom = target.value.trim();

			if (!whom)
				return true;

			return this.change(daemon.ban(whom, reason.value.trim()), _('Kept out from now on.')).then(() => false);
		});
	},

	/** @param {Truca.Account} account */
	actions(account) {
		const act = (title, style, name) => parts.button(title, style, account.address, () => this[name](account));

		return E('div', { 'class': 'truca-actions' }, [
			act(_('Rename'), 'cbi-button-edit', 'rename'),
			act(account.admin ? _('Take admin rights') : _('Make admin'), '', 'admin'),
			act(_('Reset devices'), '', 'resetDevices'),
			act(_('Delete'), 'cbi-button-remove', 'remove')
		]);
	},

	render(first) {
		const may = L.hasViewPermission() !== false;
		/** @type {(column: Truca.Column<any>) => Truca.Column<any>[]} */
		const only = (column) => may ? [ column ] : [];
		const accounts = parts.section(_('Accounts of this node'), _('People whose home is this router. They can sign in at every node of the mesh.'));
		const reports = parts.section(_('Reports'), _('What people at this node have reported about others.'));
		const bans = parts.section(_('Kept out'), '');
		const more = E('p', {});
		const people = parts.table(/** @type {Truca.Column<Truca.Account>[]} */ ([
			{ title: _('Name'), cell: (row) => [ E('strong', {}, [ row.display ]), row.admin ? ' ' + _('(admin)') : '' ] },
			{ title: _('Address'), cell: (row) => E('code', {}, [ row.address ]) },
			{ title: _('Devices'), cell: (row) => String(row.devices), narrow: true },
			{ title: _('Here'), cell: (row) => row.here ? _('at %s').format(row.at.join(', ')) : _('no') },
			...only({ title: _('Actions'), cell: (row) => this.actions(row) })
		]),
		(row) => row.address, _('Nobody has an account here yet. People make theirs by opening the page and typing a name.'));
		const told = parts.table(/** @type {Truca.Column<Truca.Report>[]} */ ([
			{ title: _('About'), cell: (row) => E('code', {}, [ row.about ]) },
			{ title: _('By'), cell: (row) => E('code', {}, [ row.by ]) },
			{ title: _('Reason'), cell: (row) => row.reason },
			{ title: _('Since'), cell: (row) => row.age_s == null ? _('before the last start') : _('%s ago').format(parts.duration(row.age_s)), narrow: true },
			...only({ title: _('Actions'), cell: (row) => parts.button(_('Keep out'), 'cbi-button-negative', row.about, () => this.banDialog(row.about)) })
		]),
		(row) => row.about + ' ' + row.by, _('Nobody has reported anything.'));
		const out = parts.table(/** @type {Truca.Column<Truca.Ban>[]} */ ([
			{ title: _('Whom'), cell: (row) => E('code', {}, [ row.id ]) },
			{ title: _('Why'), cell: (row) => row.reason || '—' },
			{ title: _('Turned away'), cell: (row) => N_(row.refused, '%d time', '%d times').format(row.refused), narrow: true },
			...only({ title: _('Actions'), cell: (row) => parts.button(_('Let in again'), '', row.id, () =>
				this.change(daemon.unban(row.id), _('Let in again.'))) })
		]),
		(row) => row.id, _('Nobody is kept out.'));
		const search = E('input', {
			'type': 'search', 'class': 'cbi-input-text', 'placeholder': _('Name or address'), 'aria-label': _('Search accounts'),
			'input': () => {
				this.filter = search.value.trim();
				this.live.refresh();
			}
		});

		accounts.show([ E('div', { 'class': 'truca-search' }, [ search ]), people.node, more ]);
		reports.show([ told.node ]);
		bans.show([ out.node, may ? E('div', { 'class': 'truca-actions' }, [
			parts.button(_('Keep somebody out'), 'cbi-button-add', 'ban', () => this.banDialog())
		]) : '' ]);

		this.live = parts.live(first, _('People'), [ accounts.node, reports.node, bans.node ], () => this.ask(), (data) => {
			const found = data.accounts.accounts;

			people.update(found);
			parts.fill(more, data.accounts.more ? [ _('%d more. Search for a name to see them.').format(data.accounts.more) ] : []);
			told.update(data.reports.reports);
			out.update(data.bans.bans);
		});

		return this.live.node;
	}
});
