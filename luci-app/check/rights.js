// The rights of a login, as rpcd grants them: read rights to everybody who may see the application, write rights
// to those who may change it. A router behind this refuses what the ACL does not name.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { app } from './paths.js';

export const acl = JSON.parse(readFileSync(path.join(app, 'root/usr/share/rpcd/acl.d/luci-app-truca.json'), 'utf8'))['luci-app-truca'];

/** `router` behind rpcd: what this login has no right to ends as uhttpd ends it. */
export function guarded(router, may = true) {
  const scopes = may ? [acl.read, acl.write] : [acl.read];
  const granted = (scope, name, right) => scopes.some((rights) => rights[scope]?.[name]?.includes(right));
  const refuse = (what) => { throw new Error(`RPC call to ${what} failed with error -32002: Access denied`); };
  return {
    ...router,
    /** `uci` of rpcd: whether this login may read a configuration. */
    async uciLoad(config) {
      const granted = scopes.some(({ uci }) => (Array.isArray(uci) ? uci.includes(config) : uci?.[config]?.includes('read')));
      if (!granted) refuse(`uci/get ${config}`);
    },
    async call(object, method, args) {
      if (!granted('ubus', object, method)) refuse(`${object}/${method}`);
      return router.call(object, method, args);
    },
    async exec(command, args) {
      if (!granted('ubus', 'file', 'exec')) refuse('file/exec');
      if (!granted('file', [command, ...args].join(' '), 'exec')) refuse(`exec ${command}`);
      return router.exec(command, args);
    },
  };
}
