// A few values in IndexedDB, behind promises. It knows no meaning of what it
// keeps. `openStore` fails where the browser gives no storage (private windows
// of some browsers); `memoryStore` stands in for it until the page closes.

export interface Store {
  get<T>(key: string): Promise<T | undefined>;
  set(key: string, value: unknown): Promise<void>;
  /** Reads and writes in one transaction: two tabs never see the same. */
  update<T>(key: string, change: (old: T | undefined) => T): Promise<T>;
}

const TABLE = "values";

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("storage failed"));
  });
}

export async function openStore(): Promise<Store> {
  const opening = indexedDB.open("truca", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
  const db = await done(opening);
  const table = (mode: IDBTransactionMode) => db.transaction(TABLE, mode).objectStore(TABLE);
  return {
    get: <T>(key: string) => done(table("readonly").get(key)) as Promise<T | undefined>,
    set: async (key, value) => {
      await done(table("readwrite").put(value, key));
    },
    update: async <T>(key: string, change: (old: T | undefined) => T) => {
      const values = table("readwrite");
      const value = change((await done(values.get(key))) as T | undefined);
      await done(values.put(value, key));
      return value;
    },
  };
}

export function memoryStore(): Store {
  const values = new Map<string, unknown>();
  return {
    get: async <T>(key: string) => values.get(key) as T | undefined,
    set: async (key, value) => {
      values.set(key, value);
    },
    update: async <T>(key: string, change: (old: T | undefined) => T) => {
      const value = change(values.get(key) as T | undefined);
      values.set(key, value);
      return value;
    },
  };
}
