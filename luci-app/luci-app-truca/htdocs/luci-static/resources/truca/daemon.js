'use strict';
'require baseclass';
'require fs';
'require rpc';

/*
 * What LuCI asks the router: the methods of the ubus object `truca`, the state of the service, and its
 * init script. Every call of this application is declared here; the checks hold the declarations against the
 * daemon's own table of methods and against the ACL.
 */

const callStatus = rpc.declare({ object: 'truca', method: 'status', reject: true });
const callMembers = rpc.declare({ object: 'truca', method: 'members', reject: true });
const callAccounts = rpc.declare({ object: 'truca', method: 'accounts', params: [ 'filter', 'limit' ], reject: true });
const callAccountSet = rpc.declare({ object: 'truca', method: 'account_set', params: [ 'address', 'display', 'admin', 'reset_devices' ], reject: true });
const callAccountDelete = rpc.declare({ object: 'truca', method: 'account_delete', params: [ 'address' ], reject: true });
const callSessions = rpc.declare({ object: 'truca', method: 'sessions', reject: true });
const callLinks = rpc.declare({ object: 'truca', method: 'links', reject: true });
const callDiscovery = rpc.declare({ object: 'truca', method: 'discovery', reject: true });
const callStun = rpc.declare({ object: 'truca', method: 'stun', reject: true });
const callIce = rpc.declare({ object: 'truca', method: 'ice', reject: true });
const callBans = rpc.declare({ object: 'truca', method: 'bans', reject: true });
const callBan = rpc.declare({ object: 'truca', method: 'ban', params: [ 'id', 'reason' ], reject: true });
const callUnban = rpc.declare({ object: 'truca', method: 'unban', params: [ 'id' ], reject: true });
const callReports = rpc.declare({ object: 'truca', method: 'reports', reject: true });
const callReload = rpc.declare({ object: 'truca', method: 'reload', reject: true });
const callServices = rpc.declare({ object: 'service', method: 'list', params: [ 'name' ], expect: { '': {} } });

/* How a call failed, from the numbers of ubus (positive) and of uhttpd's JSON-RPC (negative) */
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

/* What `trucad --check` has to say against the settings on disk, or null */
function checkSettings() {
	return L.resolveDefault(fs.exec('/usr/sbin/trucad', [ '--check' ]), null).then((check) =>
		(check && check.code != 0) ? (check.stderr || check.stdout || '').trim() : null);
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
	stun: callStun,
	ice: callIce,
	bans: callBans,
	ban: callBan,
	unban: callUnban,
	reports: callReports,
	reload: callReload,

	/* What is wrong with the settings on disk, or null: a daemon that runs goes on with its old ones */
	settings: checkSettings,

	/*
	 * Asks several things at once. Resolves always: to their answers by name, or to { failed: {kind, …} }
	 * with the first reason that there are none.
	 */
	ask(questions) {
		const names = Object.keys(questions);

		return Promise.all(names.map((name) => questions[name])).then((answers) => {
			const found = {};

			names.forEach((name, i) => { found[name] = answers[i]; });
			return found;
		}, (error) => {
			const kind = kindOf(error);

			if (kind == 'absent')
				return whyAbsent().then((failed) => ({ failed: failed }));

			return { failed: { kind: kind, message: error.message } };
		});
	},

	/* What went wrong with one change, in words for a notice */
	explain(error) {
		switch (kindOf(error)) {
		case 'absent': return _('Nothing was changed: Truca is not running.');
		case 'denied': return _('Nothing was changed: this login may only look.');
		case 'refused': return _('Nothing was changed: Truca refused. It may have changed meanwhile; look again.');
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
