// What the views use of LuCI's client side (openwrt-24.10 and later), and no more. Children are lists on
// purpose: LuCI takes the strings of a list as text, but a bare string as HTML, so a bare string is an error here.

type Child = Node | string;
type Handler = (event: any) => unknown;
type Attributes = Record<string, string | number | boolean | null | Handler>;

declare function E(tag: string, attributes: Attributes, children?: Child[]): any;
declare function _(text: string): string;
declare function N_(count: number, one: string, many: string): string;

interface String {
  format(...values: (string | number)[]): string;
}

declare const L: {
  url(path: string): string;
  resource(path: string): string;
  resolveDefault<T, D>(value: Promise<T> | T, otherwise: D): Promise<T | D>;
  /** null when the menu entry asks for no rights, false for a login that may only look. */
  hasViewPermission(): boolean | null;
};

/** The classes behind `'require NAME'`. */
declare const LuCI: {
  baseclass: { extend<T>(members: T & ThisType<T>): T };
  view: { extend<T>(members: T & View & ThisType<T>): T };
  poll: { add(ask: () => Promise<unknown>, seconds: number): boolean };
  fs: { exec(command: string, arguments_: string[]): Promise<{ code: number; stdout?: string; stderr?: string }> };
  rpc: {
    declare(call: {
      object: string; method: string; params?: string[]; expect?: Record<string, unknown>; reject?: true;
    }): (...values: any[]) => Promise<any>;
  };
  ui: {
    showModal(title: string, children: Child[]): void;
    hideModal(): void;
    addNotification(title: null, children: Child[], ...classes: string[]): Element;
  };
  uci: {
    load(config: string): Promise<unknown>;
    get(config: string, section: string, option: string): string | string[] | null;
    sections(config: string, type: string): { '.name': string; [option: string]: any }[];
    add(config: string, type: string, name: string): string;
  };
  form: Form;
};

interface View {
  load?(): Promise<any>;
  render(data: any): Node | Promise<Node>;
  handleSave?: null;
  handleSaveApply?: null;
  handleReset?: null;
}

interface Option {
  default: string;
  placeholder: string;
  optional: boolean;
  rmempty: boolean;
  password: boolean;
  validate: (section: string, value: any) => true | string;
  load: (section: string) => string | null;
  write: (section: string, value: any) => unknown;
  remove(section: string): unknown;
  value(key: string, title: string): void;
  formvalue(section: string): any;
  triggerValidation(section: string): boolean;
}
type OptionClass = { readonly kind: 'option'; prototype: { write(section: string, value: any): unknown } };
type SectionClass = { readonly kind: 'section' };

interface Section {
  readonly map: FormMap;
  anonymous: boolean;
  addremove: boolean;
  addbtntitle: string;
  tab(name: string, title: string): void;
  option(type: OptionClass, option: string, title: string, help: string): Option;
  taboption(tab: string, type: OptionClass, option: string, title: string, help: string): Option;
}

interface FormMap {
  section(type: Form['NamedSection'], name: string, kind: string, title: string, help?: string): Section;
  section(type: Form['TypedSection'], kind: string, title: string, help?: string): Section;
  render(): Promise<Node>;
  readonly config: string;
  readonly data: { get(config: string, section: string, option: string): any };
  readonly?: boolean;
  tabbed?: boolean;
  /** Ours: what the daemon told, for a login that may only look. */
  told?: { set: string[] };
}

interface Form {
  JSONMap: new (data: Record<string, any>, title: string, help: string) => FormMap;
  Map: new (config: string, title: string, help: string) => FormMap;
  NamedSection: SectionClass & { readonly named: true };
  TypedSection: SectionClass & { readonly named: false };
  Value: OptionClass;
  DynamicList: OptionClass;
  Flag: OptionClass;
  ListValue: OptionClass;
}
