//! The engine's explanations as HTML: conditions with their parts, each with whether it holds, and what is missing.

use askama::Template;
use kairos_engine::explain::{Explanation, Group};
use kairos_engine::time::Timestamp;

use crate::format::{self, ShopClock};
use crate::page::Rendered;

#[derive(Template)]
#[template(path = "explanation.html")]
struct Tree<'a> {
    explanation: &'a Explanation,
    asked: String,
    /// Whether its answer lets the play go on.
    is_good: bool,
    missing: Option<&'a str>,
    lasts: Option<String>,
    watched_since: Option<String>,
    parts: Vec<Rendered>,
}

/// A condition with its parts. `wanted` is the answer that lets a play go on.
pub(crate) fn tree(explanation: &Explanation, wanted: bool, at: Timestamp, clock: &ShopClock) -> Rendered {
    let parts = &explanation.parts;
    let asked = match explanation.group {
        Some(Group::All | Group::Any) => {
            let hold = parts.iter().filter(|part| part.holds).count();
            format!("{} ({hold} of {} hold)", explanation.asked, parts.len())
        }
        _ => explanation.asked.clone(),
    };
    let wanted_below = wanted != (explanation.group == Some(Group::Not));
    let is_leaf = matches!(explanation.group, None | Some(Group::Segment));
    Rendered::of(&Tree {
        explanation,
        asked,
        is_good: explanation.holds == wanted,
        missing: explanation.missing.as_deref().filter(|_| wanted),
        lasts: is_leaf.then(|| lasts(explanation, at, clock)).flatten(),
        watched_since: explanation.watched_since.map(|since| clock.time(since)),
        parts: parts.iter().map(|part| tree(part, wanted_below, at, clock)).collect(),
    })
}

/// What time alone does to it.
fn lasts(explanation: &Explanation, at: Timestamp, clock: &ShopClock) -> Option<String> {
    let until = explanation.until?;
    let (time, span) = (clock.time(until), format::span(until.since(at)));
    Some(match explanation.holds {
        true => format!("until {time} (in {span}) if nothing happens"),
        false => format!("by time alone from {time} (in {span}) if nothing happens"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(asked: &str, holds: bool) -> Explanation {
        Explanation {
            asked: asked.to_owned(),
            group: None,
            holds,
            until: None,
            found: Some("nothing".to_owned()),
            missing: (!holds).then(|| "one more".to_owned()),
            watched_since: None,
            parts: Vec::new(),
        }
    }

    #[test]
    fn a_condition_shows_its_parts_and_what_is_missing_and_runs_no_html_of_shoppers() {
        let evil = "the cart has <script>alert(1)</script>";
        let all = Explanation {
            group: Some(Group::All),
            parts: vec![leaf(evil, false), leaf("somebody", true)],
            ..leaf("all of these", false)
        };
        let html = tree(&all, true, Timestamp::default(), &ShopClock::of("UTC")).to_string();
        assert!(html.contains("all of these (1 of 2 hold)") && html.contains("one more"), "{html}");
        assert!(html.contains("&#60;script&#62;") && !html.contains("<script"), "{html}");
        // What must not hold lacks nothing.
        let not =
            Explanation { group: Some(Group::Not), parts: vec![leaf("somebody", false)], ..leaf("not this", true) };
        let html = tree(&not, true, Timestamp::default(), &ShopClock::of("UTC")).to_string();
        assert!(!html.contains("one more") && !html.contains("tree-bad"), "{html}");
    }
}
