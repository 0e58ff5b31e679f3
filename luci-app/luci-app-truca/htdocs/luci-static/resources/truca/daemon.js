'use strict';
'require baseclass';
'require fs';
'require rpc';

/*
 * What LuCI asks the router: the methods of the ubus object `truca`, the state of the service, and its
 * init script. Every call of this application is declared here; the checks hold the declarations against the
 * daemon's own table of methods and against the ACL.
 */

/** @type {() => Promise<Truca.Status>} */
const callStatus = rpc.declare({ object: 'truca', method: 'status', reject: true });
/** @type {() => Promise<Truca.Members>} */
const callMembers = rpc.declare({ object: 'truca', method: 'members', reject: true });
/** @type {(filter: string, limit: number) => Promise<Truca.Accounts>} */
const callAccounts = rpc.declare({ object: 'truca', method: 'accounts', params: [ 'filter', 'limit' ], reject: true });
/** @type {(address: string, display?: string | null, admin?: boolean | null, reset_devices?: boolean | null) => Promise<unknown>} */
const callAccountSet = rpc.declare({ object: 'truca', method: 'account_set', params: [ 'address', 'display', 'admin', 'reset_devices' ], reject: true });
/** @type {(address: string) => Promise<unknown>} */
const callAccountDelete = rpc.declare({ object: 'truca', method: 'account_delete', params: [ 'address' ], reject: true });
/** @type {() => Promise<Truca.Sessions>} */
const callSessions = rpc.declare({ object: 'truca', method: 'sessions', reject: true });
/** @type {() => Promise<Truca.Links>} */
const callLinks = rpc.declare({ object: 'truca', method: 'links', reject: true });
/** @type {() => Promise<Truca.Discovery>} */
const callDiscovery = rpc.declare({ object: 'truca', method: 'discovery', reject: true });
/** @type {() => Promise<Truca.Ice>} */
const callIce = rpc.declare({ object: 'truca', method: 'ice', reject: true });
/** @type {() => Promise<Truca.Bans>} */
const callBans = rpc.declare({ object: 'truca', method: 'bans', reject: true });
/** @type {(id: string, reason: string) => Promise<unknown>} */
const callBan = rpc.declare({ object: 'truca', method: 'ban', params: [ 'id', 'reason' ], reject: true });
/** @type {(id: string) => Promise<unknown>} */
const callUnban = rpc.declare({ object: 'truca', method: 'unban', params: [ 'id' ], reject: true });
/** @type {() => Promise<Truca.Reports>} */
const callReports = rpc.declare({ object: 'truca', method: 'reports', reject: true });
/** @type {() => Promise<Truca.Settings>} */
const callSettings = rpc.declare({ object: 'truca', method: 'settings', reject: true });
const callServices = rpc.declare({ object: 'service', method: 'list', params: [ 'name' ], expect: { '': {} } });

/* How a call failed, from the numbers of ubus (positive) and of JSON-RPC in LuCI and uhttpd (negative) */
const KINDS = {
	'2': 'refused',
	'3': 'other-version',
	'4': 'absent',
	'6': 'denied',
	'7': 'slow',
	'-32000': 'absent',
	'-32001': 'denied',
	'-32002': 'denied',
	'-32003': 'slow'
};

/* The kind of an error that a call ended with */
function kindOf(error) {
	const code = /(?:code|error) (-?[0-9]+)/.exec(error.message || '');

	return (code && KINDS[code[1]]) || 'other';
}

/* What `trucad --check` ends with when the daemon starts without something that it was to use: it warns by itself */
const UNUSABLE = 3;

/* What `trucad --check` has to say against the settings on disk, or null */
function checkSettings(but) {
	return L.resolveDefault(fs.exec('/usr/sbin/trucad', [ '--check' ]), null).then((check) =>
		(check && check.code != 0 && check.code != but) ? (check.stderr || check.stdout || '').trim() : null);
}

/* Why nobody answers, as far as procd and the daemon's own check of its settings can tell */
function whyAbsent() {
	return callServices('truca').then((services) => {
		const service = services.truca || {};
		const instances = Object.values(service.instances || {});

		if (instances.some((instance) => instance.running))
			return { kind: 'starting' };

		return checkSettings().then((mistake) => {
			if (mistake)
				return { kind: 'settings', message: mistake };

			const ended = instances.find((instance) => instance.exit_code != null);

			return { kind: 'stopped', code: ended ? ended.exit_code : null };
		});
	}, () => ({ kind: 'stopped', code: null }));
}

return baseclass.extend({
	status: callStatus,
	members: callMembers,
	accounts: callAccounts,
	accountSet: callAccountSet,
	accountDelete: callAccountDelete,
	sessions: callSessions,
	links: callLinks,
	discovery: callDiscovery,
	ice: callIce,
	bans: callBans,
	ban: callBan,
	unban: callUnban,
	reports: callReports,

	/* What is wrong with the settings on disk, or null: a daemon that runs goes on with its old ones */
	mistakes: () => checkSettings(UNUSABLE),

	/* The settings for a login that may not read the file, which has secrets in it */
	settings: callSettings,

	/**
	 * Asks several things at once. Resolves always: to their answers by name, or to { failed: {kind, …} }
	 * with the first reason that there are none.
	 *
	 * @template {Record<string, Promise<any>>} T
	 * @param {T} questions
	 * @returns {Promise<{ [K in keyof T]: Awaited<T[K]> } & { failed?: Truca.Failure }>}
	 */
	ask(questions) {
		const names = Object.keys(questions);

		return Promise.all(names.map((name) => questions[name])).then((answers) => {
			const found = /** @type {any} */ ({});

			names.forEach((name, i) => { found[name] = answers[i]; });
			return found;
		}, (error) => {
			const kind = kindOf(error);

			const why = (kind == 'absent') ? whyAbsent() : Promise.resolve({ kind: kind, message: error.message });

			return why.then((failed) => /** @type {any} */ ({ failed: failed }));
		});
	},

	/* What went wrong with one change, in words for a notice */
	explain(error) {
		switch (kindOf(error)) {
		case 'absent': return _('Nothing was changed: it is not there any more, or Truca is not running.');
		case 'denied': return _('Nothing was changed: this login may only look.');
		case 'refused': return _('Nothing was changed: Truca does not take this. Is it typed right?');
		case 'slow': return _('Truca did not answer in time. Look again in a moment.');
		default: return error.message;
		}
	},

	/* Starts the service and has it start with the router */
	start() {
		return fs.exec('/etc/init.d/truca', [ 'enable' ])
			.then(() => fs.exec('/etc/init.d/truca', [ 'restart' ]));
	}
});
