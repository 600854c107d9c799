//! Packs what a request brings into mailbox messages: as few as possible, each for one user.
//!
//! The same events give the same messages with the same ids, however often and late they are sent:
//! when the queue has taken only some of them, the client's retry adds only the others.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use kairos_engine::bounds::{MAILBOX_INPUTS_MAX, MAILBOX_MESSAGE_BYTES_MAX};
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::segment_spec::{Decoded, Refusal, RefusalCode, inputs_of};
use kairos_engine::time::Timestamp;

/// What stands around the inputs of a message in its JSON: version, id, user, brackets.
const WRAPPING_BYTES: usize = 128;

/// The events of one request, by user.
#[derive(Debug, Default)]
pub struct Packing {
    users: BTreeMap<UserKey, Mailbox>,
    duplicates: usize,
}

#[derive(Debug, Default)]
struct Mailbox {
    ids: BTreeSet<InputId>,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    unclamped_at: Option<Timestamp>,
    bytes: usize,
    input: Input,
}

impl Packing {
    /// Adds an event and what follows from it. One that is already there is not added again: it
    /// would change nothing, and could give two messages the same id.
    ///
    /// # Errors
    /// When it does not fit into a message of its own: some numbers grow when they are written out.
    pub fn add(&mut self, decoded: Decoded) -> Result<(), Refusal> {
        let unclamped_at = decoded.unclamped_at;
        let inputs: Vec<_> = inputs_of(decoded.event)
            .into_iter()
            .map(|(user, input)| (user, Waiting { unclamped_at, bytes: json_bytes(&input), input }))
            .collect();
        let largest = inputs.iter().map(|(_, waiting)| waiting.bytes).max().unwrap_or_default();
        if largest + WRAPPING_BYTES > MAILBOX_MESSAGE_BYTES_MAX {
            return Err(Refusal {
                code: RefusalCode::EventTooLarge,
                message: format!(
                    "Written out, the event has {largest} bytes; {} fit: send fewer numbers with exponents.",
                    MAILBOX_MESSAGE_BYTES_MAX - WRAPPING_BYTES
                ),
            });
        }
        for (user, waiting) in inputs {
            let mailbox = self.users.entry(user).or_default();
            if waiting.input.id().is_none_or(|id| mailbox.ids.insert(id)) {
                mailbox.waiting.push(waiting);
            } else {
                self.duplicates += 1;
            }
        }
        Ok(())
    }

    /// How many inputs were already there.
    pub fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// The messages: users by their key, each user's inputs by the user's own time and, where times
    /// are equal, as sent.
    pub fn into_messages(self) -> Vec<MailboxMessage> {
        self.users.into_iter().flat_map(|(user, mailbox)| messages(user, mailbox.waiting)).collect()
    }
}

fn messages(user: UserKey, mut waiting: Vec<Waiting>) -> Vec<MailboxMessage> {
    // Not by the clamped time: how many events are clamped depends on when the request arrives. What
    // has no time is taken to have happened at the receipt, which is after everything else.
    waiting.sort_by_key(|waiting| (waiting.unclamped_at.is_none(), waiting.unclamped_at));
    let mut messages = Vec::new();
    let mut inputs = Vec::new();
    let mut bytes = WRAPPING_BYTES;
    for next in waiting {
        // One more for the comma between two inputs.
        let full = inputs.len() == MAILBOX_INPUTS_MAX || bytes + next.bytes + 1 > MAILBOX_MESSAGE_BYTES_MAX;
        if full && !inputs.is_empty() {
            messages.push(MailboxMessage::of_inputs(user, std::mem::take(&mut inputs)));
            bytes = WRAPPING_BYTES;
        }
        bytes += next.bytes + 1;
        inputs.push(next.input);
    }
    if !inputs.is_empty() {
        messages.push(MailboxMessage::of_inputs(user, inputs));
    }
    messages
}

/// The size of an input as it travels.
fn json_bytes(input: &Input) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, input)
        .expect("an input is plain JSON with text for keys, and counting cannot fail");
    count.0
}
