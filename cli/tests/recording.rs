//! The pure engine, without any cloud, over a recording of a real shop: who is reached, and who is not.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;

use kairos_cli::rees46::Recording;
use kairos_engine::commit::{Received, StoredUser, plan};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{Effect, Input, MailboxMessage};
use kairos_engine::program::Program;
use kairos_engine::segment_spec::{Facts, decode, inputs_of};
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};

const RECORDING: &str = "../shared/data/rees46_multicategory_2019-10-01_0000-0250Z.csv.gz";

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn recording() -> Option<Recording> {
    match File::open(project().join(RECORDING)) {
        Ok(file) => Some(Recording::read(file).unwrap()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: {RECORDING} is not there");
            None
        }
        Err(error) => panic!("{RECORDING}: {error}"),
    }
}

fn playbook() -> Program {
    Program::new(kairos_playbook::load(&project().join("playbook")).unwrap().playbook).unwrap()
}

fn now() -> Timestamp {
    Timestamp::parse("2026-05-05T12:00:00Z").unwrap()
}

/// What the calls of a replay put into the mailboxes.
fn mailboxes(recording: &Recording, now: Timestamp) -> BTreeMap<UserKey, MailboxMessage> {
    let facts = Facts { source: "test", received_at: now, sent_at: Some(now), call: None, index: 0, historical: false };
    let mut inputs: BTreeMap<UserKey, Vec<Input>> = BTreeMap::new();
    for call in recording.calls(now).iter().flatten() {
        let decoded = decode(call.to_json(), &facts).unwrap();
        for (user, input) in inputs_of(decoded.event) {
            inputs.entry(user).or_default().push(input);
        }
    }
    inputs.into_iter().map(|(user, inputs)| (user, MailboxMessage::of_inputs(user, inputs))).collect()
}

fn deliveries(effects: &[Effect]) -> Vec<(&str, &str)> {
    let orders = effects.iter().filter_map(|effect| match effect {
        Effect::Deliver(order) => Some(order),
        Effect::Tell { .. } | Effect::Wake { .. } | Effect::Member { .. } | Effect::Interested(_) => None,
    });
    orders.map(|order| (order.play.as_str(), order.address.as_str())).collect()
}

#[test]
fn the_engine_alone_reaches_53_of_the_111_people_who_had_a_cart() {
    let Some(recording) = recording() else { return };
    assert_eq!((recording.events(), recording.people(), recording.people_with_cart().count()), (17_434, 4_504, 111));
    let playbook = playbook();
    let mut messages = Vec::new();
    for (user, message) in mailboxes(&recording, now()) {
        let mut state = UserState::default();
        let stepped = step(&playbook, user, &mut state, message.inputs(), now());
        // Then the timers: whatever is due has been due since a minute.
        let ticked = step(&playbook, user, &mut state, &[Input::Tick { at: now() }], now());
        assert!(state.next_deadline().is_none_or(|at| at > now()), "nothing is left that is due");
        for (play, address) in deliveries(&stepped.effects).into_iter().chain(deliveries(&ticked.effects)) {
            messages.push((play.to_owned(), address.to_owned()));
        }
    }
    assert!(messages.iter().all(|(play, _)| play == "abandoned_cart"), "existing customers are not welcomed");
    let reached: BTreeSet<_> = messages.iter().map(|(_, address)| address).collect();
    assert_eq!((messages.len(), reached.len()), (53, 53));
}

#[test]
fn a_second_replay_minutes_later_leads_to_no_message_more() {
    let Some(recording) = recording() else { return };
    let playbook = playbook();
    let again = now().plus(Span::from_mins(7));
    let second = mailboxes(&recording, again);
    let mut decided = (0, 0);
    for (user, message) in mailboxes(&recording, now()) {
        let tick = |at| MailboxMessage::of_tick(user, at, at);
        let mut stored: Option<StoredUser> = None;
        let mut apply = |sequence, message: MailboxMessage, at| {
            let planned =
                plan(&playbook, user, stored.as_ref(), "q", &[Received { sequence, receives: 1, message }], at);
            stored = planned.write.or(stored.take());
            deliveries(&planned.send_after).len()
        };
        decided.0 += apply(1, message, now()) + apply(2, tick(now()), now());
        decided.1 += apply(3, second[&user].clone(), again) + apply(4, tick(again), again);
    }
    assert_eq!(decided, (53, 0));
}
