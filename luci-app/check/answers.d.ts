// What the methods of the ubus object `truca` answer, as LuCI reads it. A test holds it against the answers of
// a running daemon. `null` is what is not known.

declare namespace Truca {
  interface Traffic { in_bytes: number; out_bytes: number }
  interface Status {
    version: string;
    node: { id: string; name: string };
    uptime_s: number;
    fingerprint: string;
    pages: string[];
    here: number;
    people: number;
    accounts: number;
    sessions: number;
    calls: number;
    members_alive: number;
    members_known: number;
    rss_kib: number | null;
    cpu_ms: number | null;
    traffic: Traffic;
    limits: { sessions: number; accounts: number };
    warnings: Warning[];
  }
  interface Warning { code: string; level: 'info' | 'warning' | 'error'; text: string }
  interface Member {
    id: string;
    name: string;
    state: 'self' | 'alive' | 'down';
    address: string | null;
    version: string;
    source: string;
    people: number;
    rtt_ms: number | null;
    loss_pct: number | null;
  }
  interface Members { members: Member[]; more: number }
  interface Link {
    id: string;
    name: string;
    remote: string;
    dialled: boolean;
    age_s: number;
    in_bytes: number;
    out_bytes: number;
    rtt_ms: number | null;
    loss_pct: number | null;
  }
  interface Links { links: Link[] }
  interface Account { address: string; display: string; admin: boolean; password: boolean; devices: number; here: boolean; at: string[] }
  interface Accounts { accounts: Account[]; more: number }
  interface Session { id: number; address: string; display: string | null; age_s: number; attached: boolean }
  interface Sessions { sessions: Session[]; more: number }
  interface Source {
    source: string;
    state: 'off' | 'waiting' | 'heard' | 'absent' | 'broken';
    addresses: number;
    malformed: number;
    last: string;
  }
  interface Candidate {
    address: string;
    id: string | null;
    sources: string[];
    failures: number;
    reached: boolean;
    due_s: number;
  }
  interface Discovery { sources: Source[]; candidates: Candidate[] }
  interface Decision { code: string; text: string; addresses: string[] }
  interface Ice { decisions: Decision[] }
  interface Ban { id: string; reason: string; refused: number }
  interface Bans { bans: Ban[] }
  interface Report { about: string; by: string; reason: string; age_s: number | null }
  interface Settings { sections: { type: string; values: Record<string, string | string[]>; set: string[] }[] }
  interface Reports { reports: Report[] }

  /** Why there are no answers. */
  interface Failure { kind: string; message?: string; code?: number | null }
  /** A page that asks again by itself. */
  interface Live { node: any; refresh(): Promise<unknown> }
  /** A column of a table. */
  interface Column<Row> { title: string; cell: (row: Row) => Child | Child[]; narrow?: boolean }
}
