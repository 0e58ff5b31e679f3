// A small LuCI for tests: the loader, E(), the classes that the views require, in jsdom. Where LuCI is strict
// this is too, and where LuCI is dangerous this throws: a bare string as children would be HTML there. It was
// written against openwrt-24.10; what it stands in for was also looked at with LuCI itself.

import { JSDOM } from 'jsdom';
import { fileOf, readModule } from './module.js';

/** String.prototype.format, as far as the application uses it; anything else in a format throws. */
function format(text, values) {
  let at = 0;
  const said = text.replace(/%(?:\.(\d))?([sdf%]|.)/g, (all, digits, kind) => {
    if (kind === '%') return '%';
    if (at >= values.length) throw new Error(`too few values for "${text}"`);
    const value = values[at++];
    if (kind === 's') return String(value);
    if (!Number.isFinite(Number(value))) throw new Error(`"${text}": ${value} is not a number`);
    if (kind === 'd' && digits === undefined) return String(Math.trunc(value));
    if (kind === 'f') return Number(value).toFixed(digits ?? 6);
    throw new Error(`"${text}": %${kind} is not known here`);
  });
  if (at !== values.length) throw new Error(`too many values for "${text}"`);
  return said;
}

/** What is read must be there: a field that the daemon does not send is a mistake of the view. */
export function strict(value, where) {
  if (value === null || typeof value !== 'object') return value;
  return new Proxy(value, {
    get(target, name) {
      if (typeof name === 'string' && !(name in target) && name !== 'toJSON' && name !== 'then') {
        throw new Error(`${where} has no "${name}", only ${Object.keys(target).join(', ')}`);
      }
      const found = target[name];
      return typeof found === 'function' ? found : strict(found, Array.isArray(target) ? where : `${where}.${String(name)}`);
    },
  });
}

/** Records what a form declares, and nothing of what it looks like. */
function formClasses(document, forms, uci) {
  const saved = {};
  class Option {
    write(id, value) {
      saved[`${id}.${this.option}`] = value;
    }
    remove(id) {
      delete saved[`${id}.${this.option}`];
    }
  }
  const classes = { Value: {}, DynamicList: {}, Flag: {}, ListValue: {}, NamedSection: { named: true }, TypedSection: {} };
  for (const [name, kind] of Object.entries(classes)) Object.assign(kind, { name, prototype: Option.prototype });
  class Section {
    constructor(kind, map) {
      Object.assign(this, { kind, map, options: [], tabs: [] });
    }
    tab(name) {
      this.tabs.push(name);
    }
    option(type, option, title, help) {
      const values = {};
      // `typed` is what stands in the field; a test puts it there
      const made = Object.assign(Object.create(type.prototype), {
        type: type.name, option, title, help, values, typed: '',
        value: (key, words) => { values[key] = words; },
        formvalue: () => made.typed,
        triggerValidation: (id) => made.validate(id, made.typed) === true,
      });
      this.options.push(made);
      return made;
    }
    taboption(tab, ...rest) {
      if (!this.tabs.includes(tab)) throw new Error(`there is no tab "${tab}"`);
      return this.option(...rest);
    }
  }
  class FormMap {
    constructor(config, data = uci) {
      Object.assign(this, { config, data, saved, sections: [] });
      forms.push(this);
    }
    section(type, ...rest) {
      const section = new Section(type.named ? rest[1] : rest[0], this);
      this.sections.push(section);
      return section;
    }
    async render() {
      return document.createElement('form');
    }
  }
  /** Data of one's own; LuCI gives them the name of a configuration too. */
  class JsonMap extends FormMap {
    constructor(values) {
      super('json', { get: (_config, section, option) => values[section]?.[option] ?? null });
      this.values = values;
    }
  }
  return { ...classes, Map: FormMap, JSONMap: JsonMap };
}

/**
 * A browser with LuCI in it. `router` answers: `call(object, method, args)` and `exec(command, args)`;
 * `translate(text)` is the language, `may` whether this login may change things.
 */
export function luci(router, { translate = (text) => text, may = true } = {}) {
  const { window } = new JSDOM('<!DOCTYPE html><body><div id="maincontent"><div id="view"></div></div></body>', {
    url: 'http://router/cgi-bin/luci/admin/services/truca',
  });
  const { document } = window;
  const polls = [];
  const declared = [];
  const forms = [];
  const modals = [];
  const notices = [];

  const children = (node, list, tag) => {
    if (list === undefined) return;
    if (!Array.isArray(list)) throw new Error(`<${tag}>: children are not a list but ${typeof list}: LuCI would take a string as HTML`);
    for (const child of list) {
      if (child instanceof window.Node) node.appendChild(child);
      else if (typeof child === 'string') node.appendChild(document.createTextNode(child));
      else throw new Error(`<${tag}>: a child is ${child === null ? 'null' : typeof child}`);
    }
  };
  const E = (tag, attributes, list) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === 'function') node.addEventListener(name, value);
      else if (value !== null && value !== undefined) node.setAttribute(name, value);
    }
    children(node, list, tag);
    return node;
  };
  const words = (text) => {
    if (typeof text !== 'string') throw new Error(`_(${text})`);
    return translate(text);
  };
  const globals = { E, _: words, N_: (count, one, many) => translate(count === 1 ? one : many) };
  const L = {
    url: (path) => '/cgi-bin/luci/' + path,
    resource: (path) => '/luci-static/resources/' + path,
    resolveDefault: (value, otherwise) => Promise.resolve(value).catch(() => otherwise),
    hasViewPermission: () => may,
  };
  const uci = {
    load: async (config) => router.uciLoad?.(config),
    get: (config, section, option) => router.uci?.[section]?.[option] ?? null,
    sections: () => [],
    add: (config, type, name) => name,
  };
  const classes = {
    baseclass: { extend: (members) => members },
    view: { extend: (members) => members },
    poll: { add: (ask, seconds) => polls.push({ ask, seconds }) },
    fs: { exec: async (command, args) => router.exec(command, args) },
    rpc: {
      declare: ({ object, method, params = [], expect, reject }) => {
        declared.push({ object, method, params, reject });
        return async (...values) => {
          const args = {};
          params.forEach((name, i) => { if (values[i] !== undefined) args[name] = values[i]; });
          try {
            const answer = await router.call(object, method, args);
            return expect ? answer ?? Object.values(expect)[0] : strict(answer, `the answer of ${object}.${method}`);
          } catch (error) {
            if (reject) throw error;
            return undefined;
          }
        };
      },
    },
    ui: {
      showModal: (title, list) => {
        const node = E('div', {}, []);
        children(node, list, 'modal');
        modals.push({ title, node });
        document.body.appendChild(node);
      },
      hideModal: () => modals.pop()?.node.remove(),
      addNotification: (title, list, ...kinds) => {
        const node = E('div', { class: kinds.join(' ') }, []);
        children(node, list, 'notice');
        notices.push(node.textContent);
        document.body.appendChild(node);
        return node;
      },
    },
    uci,
    form: formClasses(document, forms, uci),
  };

  const loaded = new Map();
  const load = (file) => {
    if (loaded.has(file)) return loaded.get(file);
    const { source, needs } = readModule(file);
    const given = { window, document, L };
    for (const { name, as } of needs) {
      const ours = fileOf(name);
      given[as] = ours ? load(ours) : classes[name];
      if (!given[as]) throw new Error(`${file}: there is no class "${name}"`);
    }
    // As LuCI does it: these are arguments, while E and _ are global and may be hidden
    const make = new Function(...Object.keys(globals), `return function(${Object.keys(given).join(', ')}) { ${source}\n};\n//# sourceURL=${file}`);
    const module = make(...Object.values(globals))(...Object.values(given));
    if (!module) throw new Error(`${file}: returns no class`);
    loaded.set(file, module);
    return module;
  };

  return {
    window, document, polls, declared, forms, modals, notices, load,
    /** Loads a view and shows it, as LuCI does. */
    async show(name) {
      const view = load(`view/truca/${name}.js`);
      const data = await view.load?.();
      const node = await view.render(data);
      document.getElementById('view').replaceChildren(node);
      return node;
    },
    /** Asks again, once, everything that is polled. */
    poll: () => Promise.all(polls.map(({ ask }) => ask())),
    press(title, within = document) {
      const button = [...within.querySelectorAll('button')].find((node) => node.textContent === title);
      if (!button) throw new Error(`there is no button "${title}"`);
      button.dispatchEvent(new window.Event('click', { bubbles: true, cancelable: true }));
    },
  };
}

Object.defineProperty(String.prototype, 'format', {
  value(...values) {
    return format(String(this), values);
  },
});
