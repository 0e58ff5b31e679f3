'use strict';
'require baseclass';

/* What the daemon's figures mean, in words: link quality, decisions about ICE, and what the owner should do. */

/* One way, as the page's own three colours: up to here it is good, and from there on of no use (ITU-T G.114) */
const GOOD_MS = 150;
const POOR_MS = 400;
/* Lost in a hundred: Opus conceals some of it, and from there on speech breaks */
const GOOD_LOSS = 2;
const POOR_LOSS = 10;

/* good, fair, poor, or null when nothing was measured; `rtt_ms` is both ways */
function quality(rtt, loss) {
	if (rtt == null)
		return null;

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
	default: return kind || _('unknown');
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
	case 'absent': return _('not on this router');
	default: return _('does not answer: %s').format(row.last);
	}
}

/**
 * Decisions about ICE, one sentence each
 *
 * @param {Truca.Ice} answer
 */
function ice(answer) {
	return answer.decisions.map((decision) => decision.text);
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
	case 'stun_off':
		return [ _('STUN is switched off'), _('Browsers then hide their addresses, and calls may fail. Set a STUN port under Settings.') ];
	case 'alone':
		return [ _('This node is alone'), _('Neighbours appear by themselves when their routers have Truca. If one should be here, look at both firewalls, or add it under Settings as a fixed neighbour.') ];
	default:
		return null;
	}
}

/**
 * What the owner should know: { level, title, text }
 *
 * @param {{ status: Truca.Status, settings: string | null }} data
 */
function warnings(data) {
	const found = data.status.warnings.map((row) => {
		const [ title, text ] = warning(row.code) || [ _('Take note'), row.text ];

		return { level: (row.level == 'info') ? 'notice' : row.level, title: title, text: text };
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
	ice: ice,
	warning: warning,
	warnings: warnings,
	sourceState: sourceState,
	quality: quality,
	qualityWord: qualityWord,
	source: source
});
