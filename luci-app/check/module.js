// LuCI's scripts are function bodies that end with `return`, and name what they need in strings at their top:
// 'require rpc', 'require truca.parts as parts'. This reads them for the type check and for the tests.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { resources } from './paths.js';

/** A script's source and what it requires: `{ name, as }`. */
export function readModule(file) {
  const source = readFileSync(path.join(resources, file), 'utf8');
  const head = /^(?:'[^'\n]+';\s*)+/.exec(source);
  if (!head) throw new Error(`${file}: does not begin with 'use strict' and its requires`);
  const needs = [...head[0].matchAll(/'require ([\w.]+)(?: as (\w+))?'/g)].map(([, name, as]) => {
    if (name.includes('.') && !as) throw new Error(`${file}: '${name}' needs a name after "as"`);
    return { name, as: as ?? name };
  });
  return { source, needs };
}

/** The file of a module of ours, `truca.parts`; null for one of LuCI's. */
export const fileOf = (name) => (name.startsWith('truca.') ? name.replaceAll('.', '/') + '.js' : null);
