// Descriptions with two certificates in them: the one that was signed, and the one of somebody who wants to listen,
// written in every way that a browser might take for a fingerprint. Each is applied to a real connection, and what DTLS
// does then says which of the two the browser obeys; beside it stands what the page's checks say.

/** Runs in a page that has `genuine` (genuine.entry.ts); `window.spellings.trials(kind)` does it all. */
export function spellings() {
  const LINE = 'a=fingerprint:';
  const COLON = '([0-9A-F]{2}:){31}[0-9A-F]{2}';

  // Ways to write one line. `x` is a value with its hash's name, as in `sha-256 AB:CD:…`.

  const names = [
    'a=FINGERPRINT:', 'a=Fingerprint:', 'a=fingerPrint:', 'A=fingerprint:', 'A=FINGERPRINT:', 'a= fingerprint:', 'a=  fingerprint:',
    'a=\tfingerprint:', 'a =fingerprint:', ' a=fingerprint:', '\ta=fingerprint:', 'a=fingerprint ', 'a=fingerprint\t', 'a=fingerprint :',
    'a=fingerprint: ', 'a=fingerprint:\t', 'a=fingerprint::', 'a=fingerprint=', 'a=fingerprint', 'a=:fingerprint:', 'a=a=fingerprint:',
    'a=x-fingerprint:', 'a=fingerprints:', 'b=fingerprint:', 'm=fingerprint:', '=fingerprint:', 'fingerprint:', 'a:fingerprint:',
    'a=\ufeffffingerprint:', '\ufeffa=fingerprint:', '\u00a0a=fingerprint:', 'a=\u00a0fingerprint:', 'a=\ufb01ngerprint:', 'a=fingerpr\u0131nt:',
    '\0a=fingerprint:', 'a=\0fingerprint:', 'a=finger\0print:', '\x0ba=fingerprint:', '\x0ca=fingerprint:', 'a=x\ra=fingerprint:',
    'a=x\r\ra=fingerprint:', 'a=x\u0085a=fingerprint:', 'a=x\u2028a=fingerprint:', 'a=x\0\r\na=fingerprint:', 'a=x\r\n a=fingerprint:',
    'a=x;a=fingerprint:', 'a=x\\r\\na=fingerprint:', 'a=sendrecv a=fingerprint:', 'a=ssrc:1 fingerprint:', 'a=x\n\na=fingerprint:', 'a=x\na=fingerprint:',
  ];
  const values = {
    'lower case': (x) => x.toLowerCase(),
    'SHA-256': (x) => x.replace('sha-256', 'SHA-256'),
    'Sha-256': (x) => x.replace('sha-256', 'Sha-256'),
    'sha256': (x) => x.replace('sha-256', 'sha256'),
    'sha-256 and two blanks': (x) => x.replace(' ', '  '),
    'sha-256 and a tab': (x) => x.replace(' ', '\t'),
    'a blank behind': (x) => `${x} `,
    'a word behind': (x) => `${x} x`,
    'a byte more': (x) => `${x}:00`,
    'a colon behind': (x) => `${x}:`,
    'no colons': (x) => x.replaceAll(':', ''),
    'dashes': (x) => x.replaceAll(':', '-'),
    'no name of a hash': (x) => x.replace('sha-256 ', ''),
    'two on a line, the signed one first': (x, signed) => `${signed} ${x}`,
    'two on a line, the signed one last': (x, signed) => `${x} ${signed}`,
    'two on a line with a comma': (x, signed) => `${signed},${x}`,
    'two on a line with CR': (x, signed) => `${signed}\r${LINE}${x}`,
    'two on a line with NUL': (x, signed) => `${signed}\0\r${LINE}${x}`,
  };

  // Places for such a line.

  const parts = (sdp) => sdp.replace(/^a=fingerprint:.*\r\n/gm, '').split(/^(?=m=)/m);
  const places = {
    'below the signed one': (sdp, signed, line) => {
      const [head, ...sections] = parts(sdp);
      return [`${head}${LINE}${signed}\r\n`, ...sections.map((one) => `${one}${line}\r\n`)].join('');
    },
    'above the signed one': (sdp, signed, line) => {
      const [head, ...sections] = parts(sdp);
      return [`${head}${line}\r\n`, ...sections.map((one) => `${one}${LINE}${signed}\r\n`)].join('');
    },
    'after the signed one': (sdp, signed, line) => {
      const [head, ...sections] = parts(sdp);
      return [head, ...sections.map((one) => `${one}${LINE}${signed}\r\n${line}\r\n`)].join('');
    },
    'before the signed one': (sdp, signed, line) => {
      const [head, ...sections] = parts(sdp);
      return [head, ...sections.map((one) => `${one}${line}\r\n${LINE}${signed}\r\n`)].join('');
    },
    'in the first section only': (sdp, signed, line) => {
      const [head, first, ...others] = parts(sdp);
      return [head, `${first}${line}\r\n`, ...others.map((one) => `${one}${LINE}${signed}\r\n`)].join('');
    },
    'in the last section only': (sdp, signed, line) => {
      const [head, ...sections] = parts(sdp);
      const last = sections.pop();
      return [head, ...sections.map((one) => `${one}${LINE}${signed}\r\n`), `${last}${line}\r\n`].join('');
    },
  };

  // Games with the whole of it, on top of the plain line and of one that Firefox reads.

  const between = (sdp, change) => {
    const [head, ...sections] = sdp.split(/^(?=m=)/m);
    return change(head, sections);
  };
  const games = {
    'no BUNDLE': (sdp) => sdp.replace(/^a=group:BUNDLE.*\r\n/m, ''),
    'BUNDLE of the first only': (sdp) => sdp.replace(/^(a=group:BUNDLE \S+).*$/m, '$1'),
    'two groups': (sdp) => sdp.replace(/^a=group:BUNDLE (\S+) (\S+)/m, 'a=group:BUNDLE $1\r\na=group:BUNDLE $2'),
    'a third section with the stranger\'s': (sdp, signed, own) => between(sdp, (head, all) =>
      [head, ...all, all[0].replace(/^a=mid:.*$/m, 'a=mid:9').replace(/^a=fingerprint.*\r\n/gim, '') + `${LINE}${own}\r\n`].join('')),
    'a first section that is refused': (sdp, signed, own) => between(sdp, (head, all) =>
      [head, all[0].replace(/^m=(\S+) \d+/, 'm=$1 0').replace(/^a=mid:.*$/m, 'a=mid:8') + `${LINE}${own}\r\n`, ...all].join('')),
    'setup active': (sdp) => sdp.replace(/^a=setup:.*$/gm, 'a=setup:active'),
    'setup passive': (sdp) => sdp.replace(/^a=setup:.*$/gm, 'a=setup:passive'),
    'setup holdconn': (sdp) => sdp.replace(/^a=setup:.*$/gm, 'a=setup:holdconn'),
    'no setup': (sdp) => sdp.replace(/^a=setup:.*\r\n/gm, ''),
    'setup in capitals': (sdp) => sdp.replace(/^a=setup:(.*)$/gm, (_, one) => `a=SETUP:${one.toUpperCase()}`),
    'an identity': (sdp) => between(sdp, (head, all) => [`${head}a=identity:eyJpZHAiOnsiZG9tYWluIjoieCJ9LCJhc3NlcnRpb24iOiJ4In0=\r\n`, ...all].join('')),
    'a tls-id': (sdp) => between(sdp, (head, all) => [`${head}a=tls-id:abcdefghijklmnopqrstuvwxyz\r\n`, ...all].join('')),
    'LF alone': (sdp) => sdp.replaceAll('\r\n', '\n'),
    'CR CR LF': (sdp) => sdp.replaceAll('\r\n', '\r\r\n'),
  };

  /**
   * All of them, as [name, (description, signed, own, other hashes of own) → description]. An answer is read by the
   * code that reads an offer, so of the spellings of one line every third must do there.
   */
  function* all(kind) {
    const some = (list) => list.filter((_, i) => kind === 'offer' || i % 3 === 0);
    for (const [place, put] of Object.entries(places)) {
      yield [`the plain line, ${place}`, (sdp, signed, own) => put(sdp, signed, LINE + own)];
      yield [`a=FINGERPRINT: ${place}`, (sdp, signed, own) => put(sdp, signed, `a=FINGERPRINT:${own}`)];
    }
    for (const name of some(names)) {
      yield [`${JSON.stringify(name)} below the signed one`, (sdp, signed, own) => places['below the signed one'](sdp, signed, name + own)];
    }
    for (const [name, change] of some(Object.entries(values))) {
      yield [`${name}, below the signed one`, (sdp, signed, own) => places['below the signed one'](sdp, signed, LINE + change(own, signed))];
      yield [`${name}, after the signed one`, (sdp, signed, own) => places['after the signed one'](sdp, signed, LINE + change(own, signed))];
    }
    for (const hash of some(['sha-1', 'sha-384', 'SHA-512', 'sha-512', 'sha-224', 'md5'])) for (const place of some(['below the signed one', 'before the signed one'])) {
      yield [`${hash}, ${place}`, (sdp, signed, own, hashes) => places[place](sdp, signed, `${LINE}${hash} ${hashes[hash.toLowerCase()]}`)];
    }
    for (const [name, change] of Object.entries(games)) for (const line of some(['a=FINGERPRINT:', LINE])) {
      yield [`${name}, ${line}`, (sdp, signed, own) => change(places['below the signed one'](sdp, signed, line + own), signed, own)];
    }
  }

  // The trial.

  const gathered = (pc) => new Promise((resolve) => {
    const look = () => pc.iceGatheringState === 'complete' && resolve(pc.localDescription.sdp);
    pc.onicegatheringstatechange = look;
    look();
  });
  const settled = (pc, ms) => new Promise((resolve) => {
    const end = setTimeout(() => resolve('late'), ms);
    const look = () => {
      if (!['connected', 'failed', 'closed'].includes(pc.connectionState)) return;
      clearTimeout(end);
      resolve(pc.connectionState);
    };
    pc.onconnectionstatechange = look;
    look();
  });
  const spelt = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':');
  const curve = { name: 'ECDSA', namedCurve: 'P-256' };
  let held;

  /** Certificates and a microphone, for all trials: the stranger's, the victim's, and the one that is signed. */
  async function things() {
    if (held) return held;
    const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
    const [stranger, victim, honest] = await Promise.all([0, 1, 2].map(() => RTCPeerConnection.generateCertificate(curve)));
    const pc = new RTCPeerConnection({ certificates: [honest] });
    pc.createDataChannel('x');
    const { sdp } = await pc.createOffer();
    pc.close();
    return (held = { microphone, stranger, victim, signed: new RegExp(`sha-256 ${COLON}`).exec(sdp)[0], hashes: {} });
  }

  /**
   * One description of the stranger, changed, for a victim that calls or is called: did the victim connect to the
   * stranger, and what do the page's checks say of it, each alone?
   */
  async function trial(kind, change, ms, wanted) {
    const { microphone, stranger, victim, signed, hashes } = await things();
    const [track] = microphone.getTracks();
    const connect = (certificate) => {
      const pc = new RTCPeerConnection({ certificates: [certificate], bundlePolicy: 'max-bundle' });
      pc.createDataChannel('truca', { negotiated: true, id: 0 });
      return pc;
    };
    const [bad, good] = [connect(stranger), connect(victim)];
    const out = { obeyed: false };
    try {
      const [first, second] = kind === 'offer' ? [bad, good] : [good, bad];
      const describe = async (from, to, type) => {
        if (to === bad) return to.setRemoteDescription({ type, sdp: await gathered(from) });
        const sdp = await gathered(from);
        const own = new RegExp(`sha-256 ${COLON}`).exec(sdp)[0];
        const said = change(sdp, signed, own, hashes);
        out.right = wanted ?? signed;
        if (out.right === 'own') out.right = own;
        out.text = genuine.fingerprintOf(said) === out.right;
        await to.setRemoteDescription({ type, sdp: said });
        out.took = genuine.tookIt(to, out.right);
      };
      first.addTrack(track, microphone);
      await first.setLocalDescription(await first.createOffer());
      await describe(first, second, 'offer');
      second.addTrack(track, microphone);
      await second.setLocalDescription(await second.createAnswer());
      await describe(second, first, 'answer');
      out.state = await settled(good, ms);
      out.obeyed = out.state === 'connected';
      if (out.obeyed) {
        const shown = await genuine.shownCertificates(good);
        out.shown = shown.size;
        out.dtls = shown.has(out.right);
        out.goes = await genuine.goesTo(good, out.right);
        out.certificate = good.sctp?.transport?.getRemoteCertificates?.()[0] ?? good.getSenders()[0].transport?.getRemoteCertificates?.()[0];
      }
    } catch (error) {
      out.state = `refused: ${String(error.message ?? error).slice(0, 80)}`;
    }
    out.close = () => {
      bad.close();
      good.close();
    };
    return out;
  }

  window.spellings = {
    /** What is said is what is signed: this must work, and media must flow. */
    async honest(kind) {
      const out = await trial(kind, (sdp) => sdp, 15_000, 'own');
      const { certificate, close, ...said } = out;
      const { hashes } = await things();
      if (certificate) {
        for (const name of ['sha-1', 'sha-384', 'sha-512']) hashes[name] = spelt(await crypto.subtle.digest(name.toUpperCase(), certificate));
        hashes['sha-224'] = hashes['sha-1'];
        hashes.md5 = hashes['sha-1'].slice(0, 47);
      }
      close();
      return said;
    },
    /** Every spelling, `at` a time; [name, what came of it]. */
    async trials(kind, ms = 8_000, at = 8) {
      const found = [];
      const waiting = [...all(kind)];
      await Promise.all(Array.from({ length: at }, async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          const { close, certificate: _, ...out } = await trial(kind, next[1], ms);
          close();
          found.push([next[0], out]);
        }
      }));
      return found;
    },
  };
}
