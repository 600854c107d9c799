//! The bar above figures: for which days, of whom.

use askama::Template;
use kairos_insights::counts::Counts;

use crate::lens::{Dimension, Lens};
use crate::page::Rendered;
use crate::period::{CHOICES, Period};
use crate::request::{Fields, PageRequest};

struct Choice {
    title: &'static str,
    address: String,
    is_current: bool,
}

struct Group {
    title: &'static str,
    options: Vec<(String, String, bool)>,
}

#[derive(Template)]
#[template(path = "filters.html")]
struct Html {
    path: String,
    choices: Vec<Choice>,
    first: String,
    last: String,
    groups: Vec<Group>,
    only: Option<String>,
    lens_words: Option<String>,
    clear: String,
    is_cut: bool,
    custom: bool,
    period: &'static str,
}

/// The bar. `dimensions`: by what the page's figures are cut. `counts`: whose values there are to choose.
pub fn filters(
    request: &PageRequest,
    period: &Period,
    lens: &Lens,
    dimensions: &[Dimension],
    counts: &Counts,
) -> Rendered {
    let other = |field: &str, value: &str| {
        let query: Fields = request.query.with("from", None).with("to", None).with(field, Some(value));
        format!("{}{}", request.path(), query.query())
    };
    let choices = CHOICES.map(|(name, title, _)| Choice {
        title,
        address: other("period", name),
        is_current: period.choice == name,
    });
    let chosen = lens.chosen();
    let group = |dimension: &Dimension| {
        let option = |value: String| {
            let key = format!("{}:{value}", dimension.as_str());
            let is_chosen = chosen.as_deref() == Some(&key);
            (key, value, is_chosen)
        };
        let mut options: Vec<_> = dimension.values(counts).into_iter().map(option).collect();
        // What is chosen stays to be seen, even if there is nothing of it in these days.
        if let Some((_, value)) = chosen.as_deref().and_then(|key| key.split_once(':'))
            && chosen.as_deref().is_some_and(|key| key.starts_with(&format!("{}:", dimension.as_str())))
            && !options.iter().any(|(_, _, is_chosen)| *is_chosen)
        {
            options.push(option(value.to_owned()));
        }
        Group { title: dimension.title(), options }
    };
    let groups: Vec<Group> = dimensions.iter().map(group).filter(|group| !group.options.is_empty()).collect();
    Rendered::of(&Html {
        path: request.path(),
        choices: choices.into(),
        first: period.first.to_string(),
        last: period.last.to_string(),
        groups,
        only: chosen.clone(),
        lens_words: lens.words(),
        clear: request.address_with("only", None),
        is_cut: !dimensions.is_empty(),
        custom: period.choice == "custom",
        period: period.choice,
    })
}
