'use strict';
'require form';
'require uci';
'require view';
'require truca.daemon as daemon';
'require truca.parts as parts';
'require truca.valid as valid';

/*
 * Every option of /etc/config/truca. An empty field means the default, which it shows in grey; what is saved
 * reaches the daemon by procd's reload trigger. The checks hold sections, options, defaults and what is
 * allowed against the daemon's own table of options.
 *
 * A login that may only look has no right to the file, which has secrets in it: the daemon tells it what else
 * stands there, and of secrets only whether they are set.
 */

/* The words of libuci's readers for a boolean, as the daemon takes them */
const YES = [ '1', 'yes', 'on', 'true', 'enabled' ];

/* A text field, or with a list as many as wanted; `check` is one of truca.valid */
function text(section, tab, option, title, help, settings) {
	const type = settings.list ? form.DynamicList : form.Value;
	const field = tab
		? section.taboption(tab, type, option, title, help)
		: section.option(type, option, title, help);

	field.placeholder = settings.unset;
	field.optional = !settings.required;
	field.rmempty = !settings.required;
	field.password = settings.secret || false;

	// For whom no secret is read
	if (settings.secret && section.map.told)
		field.placeholder = section.map.told.set.includes(option) ? _('It is set') : _('It is not set');

	field.validate = (_id, value) => (value === '' || value == null) ? true : settings.check(value);

	return field;
}

/*
 * Two options that must fit together: `fits(value, other)` is asked at both of them when either changes, and
 * gives true or says what is wrong. What is unset counts as its default.
 */
function pair(one, two, fits) {
	let busy = false;
	const meant = (field, value) => (value == null || value === '') ? field.placeholder : value;

	[ [ one, two ], [ two, one ] ].forEach(([ field, other ]) => {
		const alone = field.validate;

		field.validate = (id, value) => {
			const said = alone(id, value);

			// The other one may be right now, or wrong now; once is enough
			if (!busy) {
				busy = true;
				other.triggerValidation(id);
				busy = false;
			}

			return (said === true) ? fits(meant(field, value), meant(other, other.formvalue(id))) : said;
		};
	});
}

function otherPort(port, other) {
	return +port == 0 || +port != +other || _('Another port than that of the page');
}

function bothOrNone(file, other) {
	return file !== '' || other === '' || _('Certificate and key belong together: give both or none');
}

/* Of the two, a path begins with a slash and a host does not */
function hostWithCertificate(one, other) {
	const alone = (one === '') ? other : (other === '') ? one : '';

	return alone === '' || alone.startsWith('/') || _('The host of the community needs its certificate');
}

/* Help of an option that the daemon takes over at its start only: procd restarts it then */
function restarting(help) {
	return help + ' ' + _('Changing it restarts Truca.');
}

/* What the owner leaves as it is by default is no value: another version may have another default */
function unlessDefault(field, type, unset) {
	field.write = (id, value) => (value == unset) ? field.remove(id) : type.prototype.write.call(field, id, value);
}

/* A switch; what is unset is what `unset` says */
function flag(section, tab, option, title, help, unset) {
	const field = tab
		? section.taboption(tab, form.Flag, option, title, help)
		: section.option(form.Flag, option, title, help);

	field.default = unset;
	field.load = (id) => {
		const found = section.map.data.get(section.map.config, id, option);
		const value = Array.isArray(found) ? found[0] : found;

		return (value == null) ? null : (YES.includes(value) ? '1' : '0');
	};

	return field;
}

/* One of several words */
function choice(section, tab, option, title, help, words, unset) {
	const field = tab
		? section.taboption(tab, form.ListValue, option, title, help)
		: section.option(form.ListValue, option, title, help);

	Object.keys(words).forEach((word) => field.value(word, words[word]));
	field.default = unset;
	unlessDefault(field, form.ListValue, unset);

	return field;
}

function node(map, id) {
	const s = map.section(form.NamedSection, id, 'node', _('This node'));

	s.tab('general', _('General'));
	s.tab('network', _('Addresses and ports'));
	s.tab('files', _('Certificate and files'));

	text(s, 'general', 'name', _('Name'),
		_('How people and other nodes call this router. The host name when empty.'),
		{ unset: '', check: valid.name });
	choice(s, 'general', 'log_level', _('Log'),
		_('How much is written to the system log. "debug" and "trace" are for looking for a fault.'), {
			error: _('Errors'),
			warn: _('Warnings'),
			info: _('What happens'),
			debug: _('Details'),
			trace: _('Everything')
		}, 'info');

	text(s, 'network', 'listen', _('Listen on'),
		restarting(_('Addresses of this router at which Truca answers. All of them when empty.')),
		{ list: true, unset: '0.0.0.0 ::', check: valid.listen });
	text(s, 'network', 'address', _('Tell others'),
		_('Addresses at which other nodes reach this one. Those of the interfaces when empty; set them if the mesh knows this router by others.'),
		{ list: true, unset: '', check: valid.told });
	const port = text(s, 'network', 'port', _('Port'),
		restarting(_('TCP port of the page and of links between nodes, UDP port of membership. The firewall must let it in from the LAN and from the mesh.')),
		{ unset: '8443', check: valid.port });
	const http = text(s, 'network', 'http_port', _('Port of the way in'),
		restarting(_('TCP port of the plain page that explains the certificate and leads to HTTPS. 0 for none.')),
		{ unset: '8080', check: valid.portOrNone });
	const stun = text(s, 'network', 'stun_port', _('STUN port'),
		restarting(_('Port at which browsers learn their own address and calls are relayed. 0 for none: then calls across NAT fail more often.')),
		{ unset: '3478', check: valid.portOrNone });
	const second = text(s, 'network', 'stun_other_port', _('Second STUN port'),
		_('With it and two addresses, programs can ask how their NAT behaves; browsers do not. The firewall must let it in. 0 for none.'),
		{ unset: '0', check: valid.portOrNone });

	pair(port, http, otherPort);
	pair(port, stun, otherPort);
	pair(port, second, otherPort);

	const certificate = text(s, 'files', 'certificate', _('Certificate'),
		_('A file (PEM) to show instead of the node\'s own certificate, from ACME or from the community.'),
		{ unset: '', check: valid.path });
	const key = text(s, 'files', 'key', _('Key of that certificate'),
		_('A file (PEM) that only root and the user truca can read.'),
		{ unset: '', check: valid.path });
	pair(certificate, key, bothOrNone);
	const community = text(s, 'files', 'community_host', _('Host of the community'),
		_('A name that every router of the community answers to, with one certificate for all, which is set above. A person\'s device is then the same at every router.'),
		{ unset: '', check: valid.host });
	pair(certificate, community, hostWithCertificate);
	text(s, 'network', 'shared_host', _('Shared addresses'),
		_('Gateway addresses and names that every router of the mesh answers to. Without a certificate of the community, pages are led from there to this router\'s own address.'),
		{ list: true, unset: 'thisnode.info 172.30.22.1', check: valid.host });

	text(s, 'files', 'state', _('State'),
		restarting(_('Directory that keeps the node\'s key, its certificate and its accounts. Whoever has it is this node: back it up, and keep it secret.')),
		{ unset: '/etc/truca', check: valid.path });
	text(s, 'files', 'run_dir', _('Control socket'),
		restarting(_('Directory of the socket that "trucad ctl" uses. It need not survive a restart.')),
		{ unset: '/var/run/truca', check: valid.path });
}

function federation(map, id) {
	const s = map.section(form.NamedSection, id, 'federation', _('The community'),
		_('Which nodes may be members of this mesh. All of them must say the same. A change takes effect at once: every node then shows anew that it may be one.'));

	const admission = choice(s, null, 'admission', _('Who may join'),
		_('People can open the page of a member either way.'), {
			open: _('Every node that reaches it'),
			secret: _('Nodes that know the secret'),
			allow: _('Nodes on the list')
		}, 'open');

	const secret = text(s, null, 'secret', _('Secret'), _('16 to 128 characters, better random ones. Whoever knows it can join.'),
		{ unset: '', secret: true, check: valid.secret });
	const allow = text(s, null, 'allow', _('Nodes that may join'), _('Their ids, which are on their overviews. This node itself need not be there.'),
		{ list: true, unset: '', check: valid.nodeId });

	admission.validate = (section_id, value) => {
		const needed = { secret: secret, allow: allow }[value];
		const said = needed ? needed.formvalue(section_id) : true;

		return (said && said.length !== 0) ? true : _('Fill in the field below that belongs to it');
	};
}

function discovery(map, id) {
	const s = map.section(form.NamedSection, id, 'discovery', _('Finding other nodes'),
		_('What is not on this router costs nothing. What is found is only tried: nobody is trusted for being found.'));

	s.tab('sources', _('Where to look'));
	s.tab('details', _('How to look'));

	flag(s, 'sources', 'mdns', _('On the link, by mDNS'),
		restarting(_('Look for nodes on the same link and be found there. Nodes farther away become known through them.')), '1');
	flag(s, 'sources', 'umdns', _('At umdns'),
		_('Ask OpenWrt\'s own mDNS service what it has heard.'), '1');
	flag(s, 'sources', 'bmx6', _('At bmx6'),
		_('The mesh of qMp: the routers that it knows, and what they say of themselves by SMS.'), '1');
	flag(s, 'sources', 'bmx7', _('At bmx7'),
		_('The same for bmx7.'), '1');
	flag(s, 'sources', 'babeld', _('At babeld'),
		_('The routers that babeld has routes to.'), '1');
	flag(s, 'sources', 'shared_state', _('In shared state'),
		_('What other nodes have written into LibreMesh\'s shared state.'), '1');
	flag(s, 'sources', 'olsr', _('At OLSR'),
		_('The routers that olsrd has routes to, by its plugin jsoninfo.'), '1');
	flag(s, 'sources', 'oonf', _('At OLSRv2'),
		_('The routers that OONF\'s olsrd2 has routes to.'), '1');
	text(s, 'sources', 'dns_domain', _('In DNS'),
		_('Domains whose name servers list nodes, as SRV records of _truca._tcp. For zones without discovery.'),
		{ list: true, unset: '', check: valid.host });

	flag(s, 'details', 'publish', _('Say that this node is here'),
		_('By bmx6, bmx7 and shared state, so that others find it without trying.'), '1');
	flag(s, 'details', 'probe', _('Try other routers'),
		_('Also those that do not say that they run Truca: a few at a time, and ever more seldom.'), '1');
	text(s, 'details', 'avoid', _('Never look in'),
		_('Addresses and networks in which no node is looked for.'),
		{ list: true, unset: '', check: valid.network });
	text(s, 'details', 'bmx6_dir', _('Directory of bmx6'), _('Where bmx6 keeps its run-time files.'),
		{ unset: '/var/run/bmx6', check: valid.path });
	text(s, 'details', 'bmx7_dir', _('Directory of bmx7'), _('Where bmx7 keeps its run-time files.'),
		{ unset: '/var/run/bmx7', check: valid.path });
	text(s, 'details', 'babeld_socket', _('Socket of babeld'), _('Where babeld\'s local socket may be, as address and port.'),
		{ list: true, unset: '[::1]:30003 [::1]:33123', check: valid.socket });
	text(s, 'details', 'olsr_socket', _('Socket of olsrd'), _('Where jsoninfo may answer, as address and port.'),
		{ list: true, unset: '127.0.0.1:9090 [::1]:9090', check: valid.socket });
	text(s, 'details', 'oonf_socket', _('Socket of olsrd2'), _('Where its telnet may answer, as address and port.'),
		{ list: true, unset: '127.0.0.1:2009 [::1]:2009', check: valid.socket });
	text(s, 'details', 'dns_server', _('Name servers'), _('To ask for these domains; those of the system when empty.'),
		{ list: true, unset: '', check: valid.server });
}

function limits(map, id) {
	const s = map.section(form.NamedSection, id, 'limits', _('Limits'),
		_('What this router is willing to carry.'));

	text(s, null, 'sessions', _('Pages signed in'), _('At this node at the same time. Whoever comes after that is told that it is full.'),
		{ unset: '512', check: valid.number(1, 4096) });
	text(s, null, 'accounts', _('Accounts'), _('People whose home is this node.'),
		{ unset: '2000', check: valid.number(1, 20000) });
	text(s, null, 'sessions_per_account', _('Pages of one person'), _('Signed in at the same time.'),
		{ unset: '8', check: valid.number(1, 64) });
	text(s, null, 'stun_rate', _('STUN requests a second'), _('From one address. 0 for no limit.'),
		{ unset: '50', check: valid.number(1, 10000, _('A number from %d to %d, or 0 for no limit')) });
	text(s, null, 'page_rate', _('Requests a second'), _('From one page. 0 for no limit.'),
		{ unset: '20', check: valid.number(1, 10000, _('A number from %d to %d, or 0 for no limit')) });
}

function paths(map, id) {
	const s = map.section(form.NamedSection, id, 'ice', _('Direct ways'),
		_('Behind a router that translates addresses (masquerade), a browser must know which address it has in the mesh.'));

	flag(s, null, 'reflexive', _('Tell browsers of the LAN'), _('This router tells them, where it has found out that it is true. Other nodes tell them as well.'), '1');
	text(s, null, 'reflexive_ports', _('Ports to tell them on'), _('UDP, one for each side of the mesh. The firewall must let them in from the LAN.'),
		{ unset: '3480-3483', check: valid.ports });
}

function relaying(map, id) {
	const s = map.section(form.NamedSection, id, 'turn', _('Relaying'),
		_('Calls that find no other way go through this router (TURN). Only people who are signed in here can use it, and only towards the mesh and its LANs.'));
	const number = (least, most) => valid.number(least, most, _('A number from %d to %d, or 0 for no limit'));

	flag(s, null, 'enabled', _('Relay calls'), _('Without it some calls between routers that translate addresses do not connect.'), '1');
	text(s, null, 'relays', _('Relays'), _('At the same time. A call needs one or two.'),
		{ unset: '64', check: valid.number(1, 1024) });
	text(s, null, 'relays_per_account', _('Relays of one person'), _('At the same time.'),
		{ unset: '16', check: valid.number(1, 1024) });
	text(s, null, 'rate', _('Rate'), _('Kilobits a second that all relays together may carry. 0 for no limit.'),
		{ unset: '16000', check: number(64, 4000000) });
	text(s, null, 'rate_per_account', _('Rate of one person'), _('Kilobits a second that the relays of one person may carry. 0 for no limit.'),
		{ unset: '6000', check: number(64, 4000000) });
	text(s, null, 'ports', _('Ports of relays'), _('UDP ports that the firewall must let in from the mesh.'),
		{ unset: '24576-24831', check: valid.ports });
	text(s, null, 'allow', _('Relay to'), _('Addresses and networks of the mesh and its LANs. This router itself is never among them.'),
		{ list: true, unset: '10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7', check: valid.network });
	text(s, null, 'deny', _('Never relay to'), _('Addresses and networks within these that are none of the mesh.'),
		{ list: true, unset: '', check: valid.network });
}

function firewall(map, id) {
	const s = map.section(form.NamedSection, id, 'firewall', _('Firewall'),
		_('The ports of Truca are opened by rules named Truca in Network, Firewall.'));

	flag(s, null, 'reject_stray', _('Reject stray UDP'), _('Only where this router masquerades its LAN and accepts whatever comes from the mesh: accepted packets to ports of its clients would spoil their calls.'), '1');
}

function peers(map) {
	const s = map.section(form.TypedSection, 'peer', _('Fixed neighbours'),
		_('Nodes to link to whether discovery finds them or not. One is enough to join a mesh: the others become known through it.'));

	s.anonymous = true;
	s.addremove = true;
	s.addbtntitle = _('Add a neighbour');

	flag(s, null, 'enabled', _('Link to it'), _('Off keeps the entry without using it.'), '1');
	text(s, null, 'address', _('Address'), _('An address or a host name.'),
		{ required: true, unset: '', check: valid.host });
	text(s, null, 'port', _('Port'), _('The port of its page.'),
		{ unset: '8443', check: valid.port });
	text(s, null, 'id', _('Node id'), _('If another node answers there, it is refused. Anybody when empty; the id is on that node\'s overview.'),
		{ unset: '', check: valid.nodeId });
}

/* The settings that the daemon tells, as LuCI's form for data of one's own wants them */
function toldForm(told, title, help) {
	/** @type {Record<string, any>} */
	const data = { node: {}, federation: {}, discovery: {}, limits: {}, ice: {}, turn: {}, firewall: {}, peer: [] };
	/** @type {string[]} */
	let set = [];

	told.sections.forEach((section) => {
		set = set.concat(section.set);

		if (section.type == 'peer')
			data.peer.push(section.values);
		else
			Object.assign(data[section.type], section.values);
	});

	const map = new form.JSONMap(data, title, help);

	map.readonly = true;
	map.told = { set: set };

	return map;
}

return view.extend({
	load() {
		return L.hasViewPermission() ? uci.load('truca') : daemon.ask({ settings: daemon.settings() });
	},

	/* The section of this type, made when the file has none */
	only(map, type) {
		if (map.told)
			return type;

		const found = uci.sections('truca', type)[0];

		return found ? found['.name'] : uci.add('truca', type, type);
	},

	render(data) {
		const title = _('Settings');
		const help = _('An empty field means the default, which it shows in grey. People keep talking while changes are taken over.');

		if (data && data.failed)
			return parts.notice('error', title, [ parts.paragraph(_('The settings are not told while Truca does not run.')) ]);

		const map = (data && data.settings) ? toldForm(data.settings, title, help) : new form.Map('truca', title, help);

		// One section at a time: all of them are three metres of page
		map.tabbed = true;

		node(map, this.only(map, 'node'));
		federation(map, this.only(map, 'federation'));
		discovery(map, this.only(map, 'discovery'));
		limits(map, this.only(map, 'limits'));
		paths(map, this.only(map, 'ice'));
		relaying(map, this.only(map, 'turn'));
		firewall(map, this.only(map, 'firewall'));
		peers(map);

		return map.render();
	}
});
