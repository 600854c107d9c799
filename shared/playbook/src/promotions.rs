//! Reads `promotions.yaml`: what promo codes are good for.

use std::collections::BTreeMap;

use kairos_engine::bounds::{PROMO_CODE_PREFIX_CHARS_MAX, PROMO_CODES_AT_MOST_MAX, PROMOTIONS_MAX};
use kairos_engine::money::{Currency, Micros, Money};
use kairos_engine::playbook::{Discount, Holder, Promotion};
use serde_json::json;

use crate::diagnostic::Report;
use crate::fields::{Fields, closest, count, entries, is_name, span, text, word};
use crate::node::{Node, Value};
use crate::settings::NAME_HELP;
use crate::values::{caption, percent};

const KEYS: [&str; 9] = [
    "title",
    "discount",
    "minimum_total",
    "maximum_discount",
    "at_most",
    "expires_after",
    "prefix",
    "only_for",
    "pool",
];
const DISCOUNT_HELP: &str = "write a share, an amount or `free_shipping`: `discount: 10%`, `discount: 5 EUR`";
const FREE_SHIPPING: &str = "free_shipping";

/// Reads `promotions.yaml`.
pub(crate) fn promotions(report: &mut Report<'_>, root: &Node) -> BTreeMap<String, Promotion> {
    const HELP: &str =
        "write `promotions:`, below it a name for each, below it `title`, `discount` and `expires_after`";
    let mut promotions = BTreeMap::new();
    if matches!(root.value, Value::Null) {
        return promotions;
    }
    let Some(fields) = Fields::read(report, root, "promotions.yaml", &["promotions"]) else { return promotions };
    let named = fields.required(report, "promotions.yaml", "promotions", HELP);
    let named = named.and_then(|node| entries(report, node, "`promotions`", HELP)).unwrap_or_default();
    if let Some(first) = named.get(PROMOTIONS_MAX) {
        report.problem(
            first.at,
            format!("there are more than {PROMOTIONS_MAX} promotions"),
            "remove those that are over",
        );
        return promotions;
    }
    for entry in named {
        if !is_name(&entry.key) {
            report.problem(entry.at, format!("`{}` cannot be a promotion's name", entry.key), NAME_HELP);
            continue;
        }
        if let Some(promotion) = promotion(report, &entry.node, &entry.key) {
            promotions.insert(entry.key.clone(), promotion);
        }
    }
    promotions
}

fn promotion(report: &mut Report<'_>, node: &Node, name: &str) -> Option<Promotion> {
    let what = format!("promotion `{name}`");
    let fields = Fields::read(report, node, &what, &KEYS)?;
    let title = fields.required(report, &what, "title", "write `title:` and its name for people");
    let title = title.and_then(|node| caption(report, node, "`title`"));
    let discount_node = fields.required(report, &what, "discount", DISCOUNT_HELP);
    let discount = discount_node.and_then(|node| discount(report, node));
    let mut amount = |key: &str, help: &str| match fields.get(key) {
        Some(node) => money(report, node, &format!("`{key}`"), help).map(Some),
        None => Some(None),
    };
    let minimum_total = amount("minimum_total", "write an amount and its currency: `50 EUR`");
    let maximum_discount = amount("maximum_discount", "write an amount and its currency: `20 EUR`");
    let at_most = match fields.get("at_most") {
        Some(node) => count(report, node, "`at_most`", PROMO_CODES_AT_MOST_MAX).map(Some),
        None => Some(None),
    };
    let help = "write how long a code is good from the moment of its message on: `expires_after: 7d`";
    let expires_after = fields.required(report, &what, "expires_after", help);
    let expires_after = expires_after.and_then(|node| span(report, node, "`expires_after`"));
    let prefix = match fields.get("prefix") {
        Some(node) => prefix(report, node).map(Some),
        None => Some(None),
    };
    let only_for = match fields.get("only_for") {
        Some(node) => word(report, node, "`only_for`", &[("user", Holder::User), ("anyone", Holder::Anyone)]),
        None => Some(Holder::default()),
    };
    let pool = match fields.get("pool") {
        Some(node) => pool(report, node).map(Some),
        None => Some(None),
    };
    if let (Some(node), Some(_)) = (fields.get("prefix"), fields.get("pool")) {
        let message = "codes of a pool are shown as they were brought in, without a prefix";
        report.problem(node.at, message, "remove `prefix`, or `pool` for codes that Kairos makes");
        return None;
    }
    if let (Some(Discount::Amount(_) | Discount::FreeShipping), Some(node)) =
        (&discount, fields.get("maximum_discount"))
    {
        let message = "`maximum_discount` limits a share, and this discount is no share";
        report.problem(node.at, message, "remove it, or write `discount` in percent");
        return None;
    }
    let fixed = match &discount {
        Some(Discount::Amount(off)) => Some(off.currency),
        _ => maximum_discount.flatten().map(|most| most.currency),
    };
    if let (Some(fixed), Some(Some(minimum)), Some(node)) = (fixed, &minimum_total, fields.get("minimum_total"))
        && fixed != minimum.currency
    {
        let message =
            format!("`minimum_total` is in {}, and the discount in {}", minimum.currency.as_str(), fixed.as_str());
        let help = "write both in one currency; a promotion for each currency may stand beside this one";
        report.problem(node.at, message, help);
        return None;
    }
    Some(Promotion {
        title: title?,
        discount: discount?,
        minimum_total: minimum_total?,
        maximum_discount: maximum_discount?,
        at_most: at_most?,
        expires_after: expires_after?,
        prefix: prefix?,
        only_for: only_for?,
        pool: pool?,
    })
}

fn discount(report: &mut Report<'_>, node: &Node) -> Option<Discount> {
    const WHAT: &str = "`discount`";
    let given = match &node.value {
        Value::Text(given) => given.trim(),
        Value::Number(number) => {
            report.problem(node.at, format!("{WHAT} has no unit: {number}"), DISCOUNT_HELP);
            return None;
        }
        other => {
            report.problem(node.at, format!("{WHAT} is a share or an amount, not {}", other.what()), DISCOUNT_HELP);
            return None;
        }
    };
    if given == FREE_SHIPPING {
        return Some(Discount::FreeShipping);
    }
    if given.ends_with('%') {
        let share = percent(report, node, WHAT)?;
        if share.is_none() {
            report.problem(node.at, "a discount of nothing is none", DISCOUNT_HELP);
            return None;
        }
        return Some(Discount::Percent(share));
    }
    if closest(given, [FREE_SHIPPING]).is_some() {
        report.problem(node.at, format!("{WHAT} cannot be `{given}`"), "did you mean `free_shipping`?");
        return None;
    }
    money(report, node, WHAT, DISCOUNT_HELP).map(Discount::Amount)
}

/// An amount above 0, with its currency.
fn money(report: &mut Report<'_>, node: &Node, what: &str, help: &str) -> Option<Money> {
    let given = match &node.value {
        Value::Text(given) => given.trim(),
        Value::Number(number) => {
            report.problem(node.at, format!("{what} has no currency: {number}"), help);
            return None;
        }
        other => {
            report.problem(node.at, format!("{what} is an amount of money, not {}", other.what()), help);
            return None;
        }
    };
    let money = given.rsplit_once(char::is_whitespace).and_then(|(amount, currency)| {
        let amount = Micros::from_json(&json!(amount)).filter(|amount| amount.get() > 0)?;
        Some(Money { amount, currency: Currency::parse(currency)? })
    });
    if money.is_none() {
        report.problem(node.at, format!("{what} is not an amount above 0 with its currency: `{given}`"), help);
    }
    money
}

fn prefix(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let given = text(report, node, "`prefix`")?;
    let plain = given.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if plain && (1..=PROMO_CODE_PREFIX_CHARS_MAX).contains(&given.len()) {
        return Some(given.to_owned());
    }
    let help = format!("write 1 to {PROMO_CODE_PREFIX_CHARS_MAX} capital letters and digits, as in `SPRING`");
    report.problem(node.at, format!("`{given}` cannot be the beginning of a code"), help);
    None
}

fn pool(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let given = text(report, node, "`pool`")?;
    if is_name(given) {
        return Some(given.to_owned());
    }
    report.problem(node.at, format!("`{given}` cannot be a pool's name"), NAME_HELP);
    None
}
