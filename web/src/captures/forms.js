// How far forms are filled in, and whether they are sent: names of fields, never what stands in them.
//
// Of a value it is only asked whether there is one. Passwords, cards and the like are not looked at at all.

import { FORM_PERCENT_STEP } from "../bounds.js";
import { SECRET, shortened } from "../context.js";
import { track } from "../events.js";
import { leaving, on } from "../lifecycle.js";
import { describe, ignored } from "./elements.js";

const NO_FIELD = /hidden|submit|button|reset|image|password|fieldset|output/;

/** Whether something is a field that may be told of. */
const tellable = (field) =>
  field.name &&
  !NO_FIELD.test(field.type) &&
  !SECRET.test([field.name, field.id, field.autocomplete]) &&
  !ignored(field);

const filled = (field) => (/checkbox|radio/.test(field.type) ? field.checked : field.value);

const fieldsOf = (form) => [...form.elements].filter(tellable);

const describeForm = (form) => describe(form, "form");

export function forms() {
  /** The forms that were begun: what they say of themselves, what was touched, and how far was told. */
  const begun = new Map();

  /** How far a form is filled in by hand, in percent of its fields; the buttons of a choice are one. */
  function progress(form, { properties, touched, field }) {
    const names = (fields) => new Set(fields.map(({ name }) => name)).size;
    const all = fieldsOf(form);
    const done = all.filter((field) => touched.has(field.name) && filled(field));
    return { ...properties, percent: Math.round((100 * names(done)) / names(all)), field };
  }

  function changed({ target, type }) {
    const { form, name } = target;
    if (!form || !tellable(target)) return;
    const field = shortened(name);
    let state = begun.get(form);
    if (!state) {
      state = { properties: describeForm(form), touched: new Set(), told: 0 };
      begun.set(form, state);
      track("Form Started", { ...state.properties, field });
    }
    state.touched.add(name);
    state.field = field;
    // `change` comes when a field is done; `input` with each letter.
    const now = progress(form, state);
    const told = Math.floor(now.percent / FORM_PERCENT_STEP);
    if (type === "change" && told > state.told) {
      state.told = told;
      track("Form Progressed", now);
    }
  }

  on("input", changed);
  on("change", changed);
  on("submit", ({ target }) => {
    begun.delete(target);
    if (fieldsOf(target)[0]) track("Form Submitted", describeForm(target), true);
  });
  leaving((how) => {
    // Who looks something up elsewhere comes back.
    if (how === "hidden") return;
    begun.forEach((state, form) => track("Form Abandoned", progress(form, state)));
    begun.clear();
  });
}
