//! A delivery as a person wants to see it.

use kairos_engine::time::Timestamp;
use kairos_protocol::delivery::{DeliveryRecord, Status};
use kairos_protocol::receipts::Noted;

use crate::terminal::{COLUMNS, Style, shortened, wrapped};

/// Columns before the value of a line.
const INDENT: usize = 12;
/// Lines of a message's text that are shown.
const TEXT_LINES_MAX: usize = 6;

/// How somebody is reached, as in `email to ann@shop.example`.
pub fn way(delivery: &DeliveryRecord) -> String {
    format!("{} to {}", delivery.channel, delivery.address)
}

/// The lines of a delivery below its heading: why, what, and when.
pub fn body(delivery: &DeliveryRecord, style: Style) -> Vec<String> {
    let width = COLUMNS - INDENT;
    let mut lines = Vec::new();
    let mut add = |what: &str, values: Vec<String>| {
        for (index, value) in values.into_iter().enumerate() {
            let what = if index == 0 { what } else { "" };
            lines.push(format!("    {} {value}", style.dim(format!("{what:7}"))));
        }
    };
    add("why", wrapped(&delivery.why, width));
    if let Some(subject) = &delivery.subject {
        add("subject", vec![style.bold(shortened(subject, width))]);
    }
    if let Some(text) = &delivery.text {
        let mut shown: Vec<String> =
            text.lines().filter(|line| !line.trim().is_empty()).flat_map(|line| wrapped(line, width)).collect();
        if shown.len() > TEXT_LINES_MAX {
            shown.truncate(TEXT_LINES_MAX);
            shown.last_mut().expect("it has lines").push_str(" …");
        }
        add("text", shown);
    }
    add("when", vec![when(delivery)]);
    let came_back = came_back(&delivery.receipts);
    if !came_back.is_empty() {
        add("receipt", wrapped(&came_back, width));
    }
    if delivery.status != Status::Sent {
        let mut status = delivery.status.as_str().to_owned();
        if let Some(answer) = &delivery.answer {
            let parts = [Some(answer.code.as_str()), answer.detail.as_deref()];
            parts.into_iter().flatten().for_each(|part| status.push_str(&format!(": {part}")));
        }
        add("status", wrapped(&style.attention(status), width));
    }
    lines
}

/// What came back for it, the last last: `delivered 12:30:07.00, read 12:31:00.00`.
fn came_back(receipts: &Noted) -> String {
    let known = [
        ("bounced", receipts.bounced_at),
        ("delivered", receipts.delivered_at),
        ("read", receipts.read_at),
        ("failed", receipts.failed_at),
        ("marked as spam", receipts.complained_at),
    ];
    let mut known: Vec<_> = known.into_iter().filter_map(|(what, at)| Some((at?, what))).collect();
    known.sort_by_key(|(at, _)| *at);
    let mut told: Vec<String> = known.into_iter().map(|(at, what)| format!("{what} {}", clock(at))).collect();
    told.extend(receipts.code.as_ref().map(|code| format!("code {code}")));
    told.join(", ")
}

fn clock(time: Timestamp) -> String {
    time.to_string().get(11..22).unwrap_or_default().to_owned()
}

/// Due, decided and sent. What was due before its events arrived could only be decided then.
fn when(delivery: &DeliveryRecord) -> String {
    let time = clock;
    let due = format!("due {}", time(delivery.due_at));
    match delivery.sent_at {
        Some(sent_at) => {
            let late = sent_at.since(delivery.due_at).as_millis();
            if late < 10_000 {
                format!("{due}, sent {} ({} s after it was due)", time(sent_at), seconds(late))
            } else {
                let after = sent_at.since(delivery.decided_at).as_millis();
                format!("{due}, decided {}, sent {} s after that", time(delivery.decided_at), seconds(after))
            }
        }
        None => format!("{due}, decided {}, not sent", time(delivery.decided_at)),
    }
}

/// Seconds with two decimals.
pub(super) fn seconds(millis: i64) -> String {
    format!("{:.2}", millis as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::identifiers::{DeliveryId, UserKey};
    use kairos_engine::playbook::{Channel, PlaybookVersion};
    use kairos_engine::time::Span;

    fn delivery() -> DeliveryRecord {
        let due_at = Timestamp::parse("2026-05-05T12:30:00Z").unwrap();
        DeliveryRecord {
            delivery: DeliveryId::of_decision(UserKey::known("42"), 0),
            user: UserKey::known("42"),
            play: "abandoned-cart".into(),
            message: "abandoned-cart".into(),
            playbook: PlaybookVersion("v".into()),
            channel: Channel::Email,
            address: "ann@shop.example".into(),
            why: "30 min since Product Added at 2026-05-05T12:00:00.000Z, no Order Completed".into(),
            correlation: None,
            who: None,
            due_at,
            decided_at: due_at.plus(Span::from_millis(200)),
            moment_ends_at: due_at.plus(Span::from_hours(24)),
            revision: 2,
            worker: "w".into(),
            status: Status::Sent,
            changed_at: due_at.plus(Span::from_millis(420)),
            attempts: 1,
            doubtful: false,
            claimed_at: Some(due_at.plus(Span::from_millis(300))),
            sent_at: Some(due_at.plus(Span::from_millis(420))),
            answer: None,
            subject: Some("Still thinking about it?".into()),
            text: Some("Hi Ann,\n\nyour Moka pot is waiting.\n\nhttps://shop.example/cart\n".into()),
            receipts: Noted::default(),
        }
    }

    #[test]
    fn a_delivery_is_shown_with_why_what_and_when() {
        assert_eq!(
            body(&delivery(), Style::PLAIN).join("\n"),
            "    why     30 min since Product Added at 2026-05-05T12:00:00.000Z, no Order Completed\n    \
             subject Still thinking about it?\n    \
             text    Hi Ann,\n            \
             your Moka pot is waiting.\n            \
             https://shop.example/cart\n    \
             when    due 12:30:00.00, sent 12:30:00.42 (0.42 s after it was due)"
        );
    }

    #[test]
    fn a_moment_that_was_due_before_its_events_came_is_not_called_late() {
        let mut delivery = delivery();
        let decided_at = delivery.due_at.plus(Span::from_hours(2));
        delivery.decided_at = decided_at;
        delivery.sent_at = Some(decided_at.plus(Span::from_millis(350)));
        assert_eq!(when(&delivery), "due 12:30:00.00, decided 14:30:00.00, sent 0.35 s after that");
    }

    #[test]
    fn what_came_back_is_shown_in_its_order() {
        let mut delivery = delivery();
        delivery.receipts.delivered_at = Some(delivery.due_at.plus(Span::from_secs(7)));
        delivery.receipts.complained_at = Some(delivery.due_at.plus(Span::from_secs(60)));
        delivery.receipts.bounced_at = Some(delivery.due_at.plus(Span::from_secs(3)));
        delivery.receipts.code = Some("abuse".into());
        assert_eq!(
            body(&delivery, Style::PLAIN).last().unwrap(),
            "    receipt bounced 12:30:03.00, delivered 12:30:07.00, marked as spam 12:31:00.00, code abuse"
        );
    }

    #[test]
    fn lines_fit_the_terminal_and_long_texts_are_cut() {
        let mut delivery = delivery();
        delivery.subject = Some("word ".repeat(60));
        delivery.text = Some("word ".repeat(300));
        delivery.why = "word ".repeat(60);
        delivery.status = Status::Waiting;
        delivery.sent_at = None;
        let lines = body(&delivery, Style::PLAIN);
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS + 2), "{lines:#?}");
        assert!(lines.iter().any(|line| line.ends_with(" …")));
        assert!(lines.iter().any(|line| line.contains("waiting")));
    }
}
