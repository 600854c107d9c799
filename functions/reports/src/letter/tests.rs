//! What an owner reads.

use std::collections::BTreeMap;

use kairos_engine::money::Micros;
use kairos_engine::playbook::Channel;
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::experiments::Reading;
use kairos_insights::insights::{HourReport, Insights, Warning, WarningKind};
use kairos_insights::{LeftOut, MessageReport, OrderReport, Period, PlayReport, Report};
use kairos_statistics::{Experiment, Sample, Settings, Variant};

use super::*;
use crate::week::Week;

fn week(start: &str, orders: u64, cents: i64, sent: u64) -> Week {
    let from = Timestamp::parse(&format!("{start}T00:00:00Z")).unwrap();
    let message = MessageReport {
        message: "reminder".into(),
        channel: Channel::Email,
        sent,
        delivered: sent,
        opened: sent / 2,
        clicked: sent / 4,
        dismissed: 0,
        failed: 1,
        complained: 0,
    };
    let play = |sent: u64| PlayReport {
        considered: sent,
        sent,
        converted: sent / 10,
        value: Micros::new(cents * 1_000),
        messages: vec![MessageReport { sent, ..message.clone() }],
        ..PlayReport::default()
    };
    let mut report = Report::default();
    report.plays.insert("abandoned_cart".into(), play(sent));
    report.plays.insert("back_in_stock_with_a_long_name".into(), play(sent / 3));
    report.plays.insert("silent".into(), PlayReport::default());
    let bought =
        OrderReport { count: orders, with_value: orders, value: Micros::new(cents * 10_000), ..OrderReport::default() };
    report.orders = BTreeMap::from([("EUR".to_owned(), bought)]);
    let warning = |kind, about: &str, says: &str| Warning { kind, about: about.into(), says: says.into() };
    let mut hours = HourReport::default();
    hours.visits[0][9] = orders * 12;
    let insights = Insights {
        people: orders * 9,
        hours,
        warnings: vec![
            warning(WarningKind::TooFewPeople, "wished", "Of 3 people with it, 1 converted."),
            warning(
                WarningKind::MicroRisesMacroDoesNot,
                "product_viewed",
                "Between both halves of the time the share of people with it went from 12.5 % to 25.0 %, and that of people with `order` from 2.1 % to 2.0 %.",
            ),
        ],
        ..Insights::default()
    };
    let sample = |users, converted| Sample::of_counts(users, converted).unwrap();
    let variant = |name: &str, share, sample| Variant { name: name.into(), share, sample };
    let variants = vec![variant("messages", 80.0, sample(4_000, 480)), variant("holdout", 20.0, sample(1_000, 60))];
    let result = Experiment::new(variants, "holdout").unwrap().read(&Settings::default()).unwrap();
    let reading = Reading {
        play: "abandoned_cart".into(),
        about: "holdout".into(),
        mixed: 0,
        result: Some(result),
        cannot_be_read: None,
    };
    Week {
        period: Period { from, until: from.plus(Span::from_hours(7 * 24)), days: 7 },
        left_out: LeftOut::default(),
        report,
        insights,
        experiments: vec![reading],
    }
}

fn letter(shop: &str, this: &Week) -> Letter {
    let before = week("2026-11-09", 1_100, 7_000_000, 600);
    Letter::of(&Compared::of(this, &before), Some(shop), "https://console.example/").unwrap()
}

#[test]
fn a_week_says_what_changed_since_the_one_before() {
    let letter = letter("Shop", &week("2026-11-16", 1_234, 8_050_000, 900));
    assert_eq!(letter.subject, "Shop: 1,234 orders, 80,500 EUR (+15.0 %) in the week to 22 November 2026");
    for part in [
        "The week from 16 November 2026 to 22 November 2026",
        "Orders: 1,234, before 1,100 (+12.2 %)",
        "Average order: 65.24 EUR, before 63.64 EUR (+2.5 %)",
        "Messages sent: 1,200, before 800 (+50.0 %)",
        "abandoned cart: 900 sent (+50.0 %), 225 clicked, 90 goals, worth 8,050.00",
        "abandoned cart, holdout: better",
        "product viewed: Between both halves",
        "https://console.example/",
    ] {
        assert!(letter.text.contains(part), "{part} is not in\n{}", letter.text);
    }
    // What nobody can act on, and plays that did nothing, are left out.
    assert!(!letter.text.contains("wished") && !letter.text.contains("silent"), "{}", letter.text);
    for part in ["1,234", "abandoned cart", "better", "product viewed", "▲ +12.2 %, before 1,100"] {
        assert!(letter.html.contains(part), "{part} is not in the HTML");
    }
    // To look at it: `KAIROS_LETTER=FILE cargo test -p kairos-reports`.
    if let Some(file) = std::env::var_os("KAIROS_LETTER") {
        std::fs::write(file, &letter.html).unwrap();
    }
}

#[test]
fn what_is_missing_is_said() {
    let mut this = week("2026-11-16", 10, 1_000, 30);
    this.left_out = LeftOut { objects: 12, rows: 3, moments: 0 };
    this.report.omitted = 4;
    let letter = letter("Shop", &this);
    for part in ["12 files of the week", "3 rows of the archive", "4 facts"] {
        assert!(letter.text.contains(part) && letter.html.contains(part), "{part}: {}", letter.text);
    }
}

#[test]
fn names_become_neither_markup_nor_headers() {
    let letter = letter("<b>Shop</b>\r\nBcc: all@shop.example", &week("2026-11-16", 10, 1_000, 30));
    assert!(!letter.html.contains("<b>Shop"), "{}", letter.html);
    assert!(!letter.subject.contains(['\r', '\n']), "{}", letter.subject);
}
