//! How much is remembered of each user after a shop's recorded events went through the commit, one
//! event a message: the state alone, and the whole item, whose size is what DynamoDB charges for.

use kairos_benches::figures::{Figures, Sample, grouped};
use kairos_benches::items::item_bytes;
use kairos_benches::plays;
use kairos_benches::shoppers::{REES46, Shop, TAOBAO};
use kairos_engine::commit::{self, Received, StoredUser};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::program::Program;

/// DynamoDB's write unit.
const WRITE_UNIT_BYTES: usize = 1024;

fn main() -> std::io::Result<()> {
    let program = Program::new(plays::shipped()).expect("the shipped playbook runs");
    let mut figures = Figures::new("state", "bytes remembered of a user after replaying recorded events");
    for (file, key, name) in [(REES46, "rees46", "REES46"), (TAOBAO, "taobao", "Taobao")] {
        let Some(shop) = Shop::read(file) else { continue };
        let (users, writes) = replayed(&program, &shop);
        figures.note(
            name,
            format!("{} events of {} users", grouped(shop.events.len() as f64), grouped(shop.people.len() as f64)),
        );
        for (key, label, sizes) in [
            (format!("{key}_state"), "  state", sizes(&users, |(_, stored)| stored.state.encode().len())),
            (format!("{key}_item"), "  item", sizes(&users, |(user, stored)| item_bytes(*user, stored))),
        ] {
            for (quantile, value) in [("median", sizes.median()), ("p99", sizes.quantile(0.99)), ("max", sizes.max())] {
                figures.add(
                    &format!("{key}_{quantile}_bytes"),
                    value,
                    &format!("{label}, {quantile}"),
                    format!("{value} B"),
                );
            }
        }
        let single = writes.iter().filter(|bytes| **bytes <= WRITE_UNIT_BYTES).count() as f64 / writes.len() as f64;
        let units =
            writes.iter().map(|bytes| bytes.div_ceil(WRITE_UNIT_BYTES)).sum::<usize>() as f64 / writes.len() as f64;
        figures.add(
            &format!("{key}_one_unit_writes_share"),
            single,
            "  writes of one unit",
            format!("{:.2} %", single * 100.0),
        );
        figures.add(&format!("{key}_units_per_write"), units, "  units a write, index apart", format!("{units:.3}"));
    }
    figures.finish()
}

fn sizes(users: &[(UserKey, StoredUser)], size: impl Fn(&(UserKey, StoredUser)) -> usize) -> Sample {
    Sample::new(users.iter().map(|user| size(user) as f64).collect())
}

/// Everybody's item at the end, and the size of each write on the way.
fn replayed(program: &Program, shop: &Shop) -> (Vec<(UserKey, StoredUser)>, Vec<usize>) {
    let mut users: Vec<(UserKey, StoredUser)> = shop.people.iter().map(|user| (*user, StoredUser::default())).collect();
    let mut writes = Vec::new();
    let mut met = vec![false; users.len()];
    for (number, (person, input)) in shop.events.iter().enumerate() {
        let (user, stored) = &mut users[*person];
        if !std::mem::replace(&mut met[*person], true) {
            apply(program, *user, stored, &shop.introductions[*person], 2 * number);
        }
        apply(program, *user, stored, input, 2 * number + 1);
        writes.push(item_bytes(*user, stored));
    }
    (users, writes)
}

fn apply(program: &Program, user: UserKey, stored: &mut StoredUser, input: &Input, number: usize) {
    // As long as a sequence number and a queue's ARN are on AWS.
    let sequence = 18_880_000_000_000_000_000 + number as u128;
    let received = Received { sequence, receives: 1, message: MailboxMessage::of_inputs(user, vec![input.clone()]) };
    let before = (stored.revision > 0).then_some(&*stored);
    let queue = "arn:aws:sqs:us-east-1:123456789012:kairos-events.fifo";
    let plan = commit::plan(program, user, before, queue, &[received], input.at());
    *stored = plan.write.expect("a new message is written");
}
