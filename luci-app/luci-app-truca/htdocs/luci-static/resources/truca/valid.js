'use strict';
'require baseclass';

/*
 * What the options of /etc/config/truca take. Each check gives true or says what is allowed. The checks of
 * this application put the same values to the daemon (`trucad --check`): what passes here passes there.
 */

const NAME = /^[a-z0-9._-]{1,32}$/;
const NUMBER = /^[0-9]{1,9}$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;
const IPV6 = /^[0-9a-fA-F:.]{2,45}$/;
const MULTICAST = /^ff[0-9a-f]{2}:/;
const HOST = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/;
// 128 bits in 26 characters of 5: the last one has three bits of its own
const NODE_ID = /^[a-z2-7]{25}[aeimquy4]$/;
const PATH = /^\/[^\0-\x1f'"]*$/;

function ipv6(value) {
	if (!IPV6.test(value) || value.indexOf(':') < 0)
		return null;

	try {
		// The browser's own reader, and its canonical form
		return new URL('http://[' + value + ']/').hostname.slice(1, -1);
	}
	catch (error) {
		return null;
	}
}

function number(least, most, zero) {
	return (value) => {
		const fits = NUMBER.test(value) && +value >= least && +value <= most;

		if (fits || (zero && /^0{1,9}$/.test(value)))
			return true;

		return zero ? zero.format(least, most) : _('A number from %d to %d').format(least, most);
	};
}

/* 10.1.2.3:53, [fd00::1]:53 */
function withPort(value) {
	const parts = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(value);

	return parts != null && (parts[1] ? ipv6(parts[1]) != null : IPV4.test(parts[2])) && +parts[3] >= 1 && +parts[3] <= 65535;
}

function address(value) {
	if (IPV4.test(value))
		return !/^(?:22[4-9]|23[0-9])\./.test(value) && value != '255.255.255.255';

	const plain = ipv6(value);

	return plain != null && !MULTICAST.test(plain);
}

return baseclass.extend({
	number: number,

	name(value) {
		return NAME.test(value) || _('1 to 32 of the characters a-z 0-9 . _ -');
	},

	port: number(1, 65535),

	portOrNone: number(1, 65535, _('A port from %d to %d, or 0 for none')),

	/* An address of this router; also 0.0.0.0 and :: for all */
	listen(value) {
		return address(value) || _('An IPv4 or IPv6 address');
	},

	/* An address that others can be told */
	told(value) {
		return (address(value) && value != '0.0.0.0' && ipv6(value) != '::') || _('An IPv4 or IPv6 address, not 0.0.0.0 or ::');
	},

	host(value) {
		return HOST.test(value) || IPV4.test(value) || ipv6(value) != null || _('An address or a host name');
	},

	/* Where something of this router listens */
	socket(value) {
		return withPort(value) || _('An address with a port, like 127.0.0.1:2009 or [::1]:2009');
	},

	/* A name server */
	server(value) {
		return withPort(value) || address(value) || _('An address, with or without a port');
	},

	/* An address, or one with the length of its prefix */
	network(value) {
		const [ ip, length, ...more ] = value.split('/');
		const most = IPV4.test(ip) ? 32 : (ipv6(ip) != null ? 128 : -1);

		return (!more.length && most >= 0 && (length == null || (/^[0-9]{1,3}$/.test(length) && +length <= most)))
			|| _('An address or a network, like 10.1.0.0/16');
	},

	/* A first and a last port, above those where services listen */
	ports(value) {
		const ends = /^([0-9]{4,5})-([0-9]{4,5})$/.exec(value);

		return (ends != null && +ends[1] >= 1024 && +ends[1] <= +ends[2] && +ends[2] <= 65535)
			|| _('A first and a last port above 1023, like 24576-24831');
	},

	nodeId(value) {
		return NODE_ID.test(value) || _('A node id: 26 characters of a-z 2-7');
	},

	secret(value) {
		const length = [ ...value ].length;

		return (length >= 16 && length <= 128) || _('16 to 128 characters');
	},

	path(value) {
		return PATH.test(value) || _('An absolute path, like /etc/truca');
	}
});
