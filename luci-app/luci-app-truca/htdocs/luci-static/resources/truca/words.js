'use strict';
'require baseclass';

/* What the daemon's figures mean, in words: link quality, decisions about ICE, and what the owner should do. */

/* One way, as the page's own three colours: up to here it is good, and from there on of no use (ITU-T G.114) */
const GOOD_MS = 150;
const POOR_MS = 400;
/* Of a hundred round trips, as in the daemon (core/gossip/echo.rs): Opus conceals what each way loses of it */
const GOOD_LOSS = 10;
const POOR_LOSS = 50;

/* good, fair, poor, or null when nothing was measured; `rtt_ms` is both ways */
function quality(rtt, loss) {
	if (rtt == null)
		return loss == null ? null : 'poor';

	if (rtt / 2 > POOR_MS || (loss || 0) > POOR_LOSS)
		return 'poor';

	return (rtt / 2 > GOOD_MS || (loss || 0) > GOOD_LOSS) ? 'fair' : 'good';
}

function qualityWord(kind) {
	switch (kind) {
	case 'good': return _('good');
	case 'fair': return _('fair');
	case 'poor': return _('poor');
	default: return _('not measured');
	}
}

/* How a node was found */
function source(kind) {
	switch (kind) {
	case 'self': return _('this node');
	case 'peer': return _('in the settings');
	case 'mdns': return _('on the link (mDNS)');
	case 'member': return _('told by other nodes');
	case 'saved': return _('known from before');
	case 'umdns': return _('on the link (umdns)');
	case 'bmx6': return 'bmx6';
	case 'bmx7': return 'bmx7';
	case 'babeld': return 'babeld';
	case 'shared_state': return _('shared state');
	case 'olsr': return 'OLSR';
	case 'oonf': return 'OLSRv2';
	case 'dns': return 'DNS';
	default: return kind + '?';
	}
}

/**
 * What a source of addresses is like now
 *
 * @param {Truca.Source} row
 */
function sourceState(row) {
	switch (row.state) {
	case 'off': return _('switched off');
	case 'waiting': return _('waiting for its first answer');
	case 'heard': return _('heard');
	default: return _('does not answer: %s').format(row.last);
	}
}

/* A decision about ICE; null for one that is not known here */
function decision(code) {
	switch (code) {
	case 'own_stun': return _('Browsers are given this node\'s STUN: any answer makes them show real addresses instead of hidden ones.');
	case 'no_own_stun': return _('This node offers no STUN, because its port is 0 in the settings.');
	case 'own_turn': return _('Browsers may relay through this node, over UDP and TCP, calls that no other path carries.');
	case 'no_turn': return _('This node relays nothing, because of its settings: some calls through NAT do not connect.');
	case 'remote_stun': return _('Browsers are given STUN of other nodes too: these see them from outside this router\'s NAT.');
	case 'no_remote_stun': return _('No other node offers STUN now: behind this router\'s NAT, a browser cannot learn how the mesh sees it.');
	case 'reflexive': return _('What this LAN sends keeps its port behind this router\'s address: browsers there are told how the mesh sees them.');
	case 'reflexive_no_port': return _('What this LAN sends keeps its port behind this router\'s address, but no port is free to tell browsers so. Choose other ports in the settings.');
	case 'reflexive_waiting': return _('How the mesh sees a LAN is being looked at.');
	case 'reflexive_routed': return _('What this LAN sends keeps its address: browsers there need no other one.');
	case 'reflexive_random': return _('What this LAN sends gets other ports, so calls are relayed. Without "random" in the masquerade rule they find a direct way.');
	case 'reflexive_beyond': return _('Another router translates what this LAN sends: only the STUN of other nodes sees how.');
	case 'reflexive_unsteady': return _('What this LAN sends arrives now as one address, now as another: browsers are told none.');
	case 'reflexive_silent': return _('Too few other nodes answer how they see a LAN, so browsers are told nothing. Is UDP let through to their STUN?');
	case 'reflexive_nobody': return _('There is no LAN, or no other node to ask how the mesh sees it.');
	case 'reflexive_off': return _('Browsers are not told how the mesh sees them, because of the settings.');
	default: return null;
	}
}

/* What a warning of the daemon is about, and what to do: [ title, text ]; null for one that is not known here */
function warning(code) {
	switch (code) {
	case 'no_address':
		return [ _('Nobody can reach this router'), _('No interface has an address that others can reach. Look at the network, or set addresses under Settings, "Tell others".') ];
	case 'accounts_nearly_full':
		return [ _('There is hardly any room for more accounts'), _('Delete accounts that nobody uses under People, or raise the limit under Settings.') ];
	case 'sessions_nearly_full':
		return [ _('There is hardly any room for more people'), _('Nearly as many pages are signed in as may. Raise the limit under Settings if the router has memory left.') ];
	case 'directory_full':
		return [ _('Not everybody of the mesh fits here'), _('A bound of the directory is reached, so some people are not shown at this node. They are at others.') ];
	case 'same_name':
		return [ _('Two routers have one name'), _('Several nodes of the mesh are called the same: the map shows which. People see letters of their ids beside the name. If one of them is new, ask whose it is: it may want to be taken for the other.') ];
	case 'stun_off':
		return [ _('STUN is switched off'), _('Browsers then hide their addresses, and calls may fail. Set a STUN port under Settings.') ];
	case 'alone':
		return [ _('This node is alone'), _('Neighbours appear by themselves when their routers have Truca. If one should be here, look at both firewalls, or add it under Settings as a fixed neighbour.') ];
	case 'state_not_saved':
		return [ _('Nothing can be saved'), _('What changes now is lost at the next start. Free space where the state is kept (Settings, "State").') ];
	case 'settings':
		return [ _('The settings on disk have a mistake'), _('Truca goes on with the old ones until it is put right.') ];
	case 'not_listening':
		return [ _('An address to listen on is not there'), _('Truca tries it again. Is it still right under Settings, "Listen on"?') ];
	case 'no_http':
		return [ _('The way in is not served'), _('Another program of this router has its port. Choose another "Port of the way in" under Settings, or 0 for none. The page itself is served.') ];
	case 'no_stun':
		return [ _('STUN does not answer everywhere'), _('Something else may have its port. Set another STUN port under Settings.') ];
	case 'no_reflexive':
		return [ _('Some browsers are not told how the mesh sees them'), _('A port for that is taken. Choose other ports under Settings.') ];
	case 'no_mdns':
		return [ _('Nodes on the same link are not found'), _('mDNS does not work here. Switch it off under Settings, or add a fixed neighbour.') ];
	case 'no_control_socket':
		return [ _('"trucad ctl" does not work'), _('Free space where the control socket is (Settings, "Control socket").') ];
	case 'certificate':
		return [ _('The certificate cannot be used'), _('Pages are shown another one meanwhile. Can the user truca read both files under Settings, "Certificate"? It is tried again by itself.') ];
	case 'certificate_expired':
		return [ _('The certificate is out of date'), _('Browsers warn of it. Renew the certificate under Settings, "Certificate".') ];
	case 'state_set_aside':
		return [ _('What was kept cannot be read'), _('Accounts, bans and passwords of before are missing here, but for what other nodes know. The file lies beside the new one, as "state.broken".') ];
	default:
		return null;
	}
}

/* What the system said stands in brackets at the end of a warning, and may have brackets itself; or null */
function lastBrackets(text) {
	let open = 0;

	for (let i = text.length - 1; text.endsWith(')') && i >= 0; i--) {
		open += (text[i] == ')') ? 1 : (text[i] == '(') ? -1 : 0;

		if (open == 0)
			return text.slice(i + 1, -1);
	}

	return null;
}

/**
 * What the owner should know: { level, title, text }
 *
 * @param {{ status: Truca.Status, settings: string | null }} data
 */
function warnings(data) {
	// The daemon knows of a mistake only when it was told to read the settings again
	const rows = data.status.warnings.filter((row) => row.code != 'settings' || !data.settings);
	const found = rows.map((row) => {
		const [ title, text ] = warning(row.code) || [ _('Take note'), row.text ];
		const why = lastBrackets(row.text);

		return {
			level: (row.level == 'info') ? 'notice' : row.level,
			title: title,
			text: (why && text != row.text) ? '%s (%s)'.format(text, why) : text
		};
	});

	if (data.settings)
		found.unshift({
			level: 'error',
			title: _('The settings on disk have a mistake'),
			text: _('Truca goes on with the old ones until it is put right: %s').format(data.settings)
		});

	return found;
}

return baseclass.extend({
	decision: decision,
	warning: warning,
	warnings: warnings,
	sourceState: sourceState,
	quality: quality,
	qualityWord: qualityWord,
	source: source
});
