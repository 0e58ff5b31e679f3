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

	/**
	 * Does a change, says how it went, and shows what is now
	 *
	 * @param {Promise<unknown>} promise
	 * @param {string} done
	 */
	change(promise, done) {
		return promise.then(() => say(done, 'info'), (error) => say(daemon.explain(error), 'warning'))
			.then(() => this.live.refresh());
	},

	/**
	 * A question before something that needs a word typed or cannot be undone. `act()` gives the promise of the
	 * change, or null while something is missing; the question stays until the change is done.
	 *
	 * @param {string} title
	 * @param {Child[]} children
	 * @param {string} style
	 * @param {() => Promise<unknown> | null} act
	 * @param {string} done
	 */
	confirm(title, children, style, act, done) {
		const trouble = E('p', { 'class': 'truca-trouble', 'role': 'alert' }, []);
		const press = () => {
			const change = act();

			return change && change.then(() => {
				ui.hideModal();
				say(done, 'info');

				return this.live.refresh();
			}, (error) => parts.fill(trouble, [ daemon.explain(error) ]));
		};

		ui.showModal(title, [ E('div', { 'class': 'truca' }, children.concat([ trouble ])), E('div', { 'class': 'right' }, [
			parts.button(_('Cancel'), '', 'cancel', () => ui.hideModal()), ' ',
			parts.button(title, style, 'action', press)
		]) ]);
	},

	/** @param {Truca.Account} account */
	rename(account) {
		const input = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'maxlength': 48, 'value': account.display, 'aria-label': _('New name') });

		this.confirm(_('Rename'), [
			E('p', {}, [ _('The name that others see. The address stays:'), ' ', E('code', {}, [ account.address ]) ]),
			E('p', {}, [ input ])
		], 'cbi-button-apply', () => input.value.trim() ? daemon.accountSet(account.address, input.value.trim()) : null, _('Renamed.'));
		input.select();
	},

	/** @param {Truca.Account} account */
	resetDevices(account) {
		this.confirm(_('Reset devices'), [
			E('p', {}, [ E('strong', {}, [ account.display ]), ' ', E('code', {}, [ account.address ]) ]),
			parts.paragraph(_('All devices of this person are signed out and forgotten. The next one that takes this name gets the account: do it only when the person is there to sign in again.'))
		], 'cbi-button-negative', () => daemon.accountSet(account.address, null, null, true), _('The devices are forgotten.'));
	},

	/** @param {Truca.Account} account */
	remove(account) {
		this.confirm(_('Delete account'), [
			E('p', {}, [ E('strong', {}, [ account.display ]), ' ', E('code', {}, [ account.address ]) ]),
			parts.paragraph(_('The account and its devices are forgotten in the whole mesh, and its calls end. This cannot be undone.'))
		], 'cbi-button-negative', () => daemon.accountDelete(account.address), _('The account is deleted.'));
	},

	/** @param {Truca.Account} account */
	admin(account) {
		return this.change(daemon.accountSet(account.address, null, !account.admin, null),
			account.admin ? _('No longer an administrator.') : _('Now an administrator.'));
	},

	/** @param {string} [id] */
	keepOut(id) {
		const whom = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'value': id || '', 'placeholder': _('name@node or a node id'), 'aria-label': _('Whom') });
		const why = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'maxlength': 120, 'aria-label': _('Why') });

		this.confirm(_('Keep out'), [
			parts.paragraph(_('A person who is kept out cannot sign in here or ring anybody here; a node that is kept out gets no link. Other nodes decide for themselves.')),
			parts.facts([ [ _('Whom'), whom ], [ _('Why'), why ] ])
		], 'cbi-button-negative', () => whom.value.trim() ? daemon.ban(whom.value.trim(), why.value.trim()) : null, _('Kept out from now on.'));
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
			{ title: _('Devices'), cell: (row) => row.devices + (row.password ? ' ' + _('(password)') : ''), narrow: true },
			{ title: _('Here'), cell: (row) => row.here ? _('at %s').format(row.at.join(', ')) : _('no') },
			...only({ title: _('Actions'), cell: (row) => this.actions(row) })
		]),
		(row) => row.address, _('Nobody has an account here yet. People make theirs by opening the page and typing a name.'));
		const told = parts.table(/** @type {Truca.Column<Truca.Report>[]} */ ([
			{ title: _('About'), cell: (row) => E('code', {}, [ row.about ]) },
			{ title: _('By'), cell: (row) => E('code', {}, [ row.by ]) },
			{ title: _('Reason'), cell: (row) => row.reason },
			{ title: _('Since'), cell: (row) => row.age_s == null ? _('before the last start') : _('%s ago').format(parts.duration(row.age_s)), narrow: true },
			...only({ title: _('Actions'), cell: (row) => parts.button(_('Keep out'), 'cbi-button-negative', row.about, () => this.keepOut(row.about)) })
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
			parts.button(_('Keep somebody out'), 'cbi-button-add', 'ban', () => this.keepOut())
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
