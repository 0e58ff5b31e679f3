// A certificate for a name that all routers of a community answer to, and what a browser needs to know it by.

import { execFile } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

export async function certificate(name) {
  const folder = mkdtempSync(path.join(tmpdir(), 'truca-certificate-'));
  const [certificate, key] = ['crt', 'key'].map((end) => path.join(folder, `community.${end}`));
  await promisify(execFile)('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650',
    '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-keyout', key, '-out', certificate,
  ]);
  const point = new X509Certificate(readFileSync(certificate)).publicKey.export({ type: 'spki', format: 'der' });
  const spki = createHash('sha256').update(point).digest('base64');
  return { certificate, key, spki, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
