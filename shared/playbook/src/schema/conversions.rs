//! The schema of `conversions.yaml`.

use serde_json::{Value, json};

use kairos_engine::bounds::FUNNEL_STEPS_MAX;
use kairos_engine::playbook::{FunnelSplit, MessageTouch};

use super::parts::{NAME, group, name, named, one_or_more, or_nothing, part, text, words};
use crate::conversions::MODELS;

pub(super) fn conversions() -> Value {
    let currency = json!({ "type": "string", "pattern": "^\\s*[A-Za-z]{3}\\s*$" });
    let macro_conversion = group(
        &["title", "event"],
        vec![
            ("title", text(), "Its name for people"),
            ("event", part("events"), "What the shop lives from: Order Completed"),
            (
                "value",
                text(),
                "A detail of the event, as in total, or an amount: 5 EUR; total, revenue or value without it",
            ),
            ("currency", currency, "The currency of events that name none"),
        ],
    );
    let micro_conversion = group(
        &["title", "event", "within"],
        vec![
            ("title", text(), "Its name for people"),
            ("event", part("events"), "The small step"),
            ("leads_to", name(), "A macro-conversion; the only one without it"),
            ("within", part("span"), "In how long it should lead there"),
        ],
    );
    let step = group(
        &["name", "event"],
        vec![("name", name(), "Its name in reports"), ("event", part("events"), "What is done")],
    );
    let steps = json!({ "type": "array", "items": step, "minItems": 2, "maxItems": FUNNEL_STEPS_MAX });
    let funnel = group(
        &["title", "steps", "within"],
        vec![
            ("title", text(), "Its name for people"),
            ("steps", steps, "What is done, in order"),
            ("within", part("span"), "From the first step to the last"),
            ("by", one_or_more(words(&FunnelSplit::ALL.map(|(name, _)| name))), "By what it is shown apart"),
        ],
    );
    let attribution = group(
        &[],
        vec![
            (
                "window",
                part("span"),
                "How long before a macro-conversion something may have a part in it; 30d without it",
            ),
            ("model", words(&MODELS), "How several share it; linear without it"),
            ("half_life", part("span"), "Of time_decay; 7d without it"),
            ("touch", words(&MessageTouch::ALL.map(|(name, _)| name)), "What of a message counts; clicked without it"),
        ],
    );
    or_nothing(group(
        &[],
        vec![
            ("macro", named(NAME, macro_conversion), "What the shop lives from, by name"),
            ("micro", named(NAME, micro_conversion), "Small steps towards that, by name"),
            ("funnels", named(NAME, funnel), "Ways in steps, by name"),
            ("attribution", attribution, "To what macro-conversions are credited"),
        ],
    ))
}
