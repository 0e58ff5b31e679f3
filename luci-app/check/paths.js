// Where things are, and the files of the application that LuCI's loader reads.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '../..');
export const app = path.resolve(here, '../luci-app-truca');
export const resources = path.join(app, 'htdocs/luci-static/resources');

/** The application's own scripts, as paths below `resources`, without what is vendored. */
export function scripts() {
  return readdirSync(resources, { recursive: true })
    .filter((file) => file.endsWith('.js') && file !== 'truca/qr.js')
    .sort();
}
