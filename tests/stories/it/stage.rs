//! The shop of the stories: the shipped playbook, and users that are driven through [`commit::plan`] as `decide`
//! drives them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::LazyLock;

use kairos_engine::commit::{self, Received, StoredUser};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::{DeliveryOrder, Effect, Input, MailboxMessage};
use kairos_engine::outcome::OutcomeRecord;
use kairos_engine::playbook::Place;
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::time::Timestamp;

/// The playbook that comes with the project.
pub(crate) static SHIPPED: LazyLock<Program> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../playbook");
    let loaded = kairos_playbook::load(&folder).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))
    });
    Program::new(loaded.playbook).unwrap()
});

/// A place of the shipped playbook, by its name for people.
pub(crate) fn place(title: &str) -> &'static Place {
    let places = &SHIPPED.playbook().places;
    places.iter().find(|place| place.title == title).unwrap_or_else(|| panic!("there is no place {title:?}"))
}

/// The users, their mailboxes, and what was decided for them.
#[derive(Default)]
pub(crate) struct Stage {
    users: BTreeMap<UserKey, StoredUser>,
    sequence: u128,
    now: Timestamp,
    /// Who cares about which product, as the engine asks to be told.
    interested: BTreeSet<(String, UserKey)>,
    /// What was considered, in order.
    pub(crate) considered: Vec<(UserKey, OutcomeRecord)>,
    /// What was decided to be sent.
    pub(crate) orders: BTreeMap<DeliveryId, DeliveryOrder>,
    /// Who came into and left which segment.
    pub(crate) members: Vec<(Timestamp, UserKey, String, bool)>,
}

fn segments_of(state: &UserState) -> BTreeSet<String> {
    SHIPPED.memberships(state).into_iter().map(|(segment, _)| segment.to_string()).collect()
}

impl Stage {
    /// One message to one mailbox; what actors then tell each other is delivered, too.
    fn receive(&mut self, message: MailboxMessage, now: Timestamp) {
        let mut mailboxes = VecDeque::from([message]);
        while let Some(message) = mailboxes.pop_front() {
            let user = message.user();
            self.sequence += 1;
            // As it travels: through JSON.
            let message = serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
            let received = [Received { sequence: self.sequence, receives: 1, message }];
            let plan = commit::plan(&SHIPPED, user, self.users.get(&user), "events.fifo", &received, now);
            assert_eq!(plan.acknowledge, 1);
            let mut written = plan.write_after.or(plan.write).expect("a new message is a commit");
            let was_in = self.users.get(&user).map(|stored| segments_of(&stored.state)).unwrap_or_default();
            let is_in = segments_of(&written.state);
            let at = written.state.clock;
            self.members.extend(is_in.difference(&was_in).map(|segment| (at, user, segment.clone(), true)));
            self.members.extend(was_in.difference(&is_in).map(|segment| (at, user, segment.clone(), false)));
            self.interested.extend(plan.interests.into_iter().map(|interest| (interest.product.into(), interest.user)));
            // As it is stored: encoded.
            written.state = UserState::decode(&written.state.encode()).unwrap();
            self.users.insert(user, written);
            self.considered.extend(plan.considered.into_iter().map(|record| (user, record)));
            for effect in plan.send_after {
                match effect {
                    Effect::Deliver(order) => {
                        assert!(self.orders.insert(order.delivery, *order).is_none(), "no message is decided twice");
                    }
                    Effect::Tell { user, input } => mailboxes.push_back(MailboxMessage::of_told(user, *input)),
                    Effect::Member { .. } | Effect::Interested(_) | Effect::Wake { .. } => {}
                }
            }
        }
    }

    /// Lets time pass until `until`: every alarm rings at its second.
    pub(crate) fn wait_until(&mut self, until: Timestamp) {
        assert!(until >= self.now, "time only goes on");
        loop {
            let alarms = self.users.iter().filter_map(|(user, stored)| Some((stored.alarm_at?, *user)));
            let Some((at, user)) = alarms.min().filter(|(at, _)| *at <= until) else {
                self.now = until;
                return;
            };
            // One that was set for a time gone by rings at once.
            self.now = at.max(self.now);
            self.receive(MailboxMessage::of_tick(user, at, self.now), self.now);
        }
    }

    /// Puts inputs into the mailboxes they belong to.
    pub(crate) fn tell(&mut self, inputs: Vec<(UserKey, Input)>) {
        for (user, input) in inputs {
            self.receive(MailboxMessage::of_inputs(user, vec![input]), self.now);
        }
    }

    /// The known users who care about a product.
    pub(crate) fn who_cares_about(&self, product: &str) -> Vec<UserKey> {
        self.interested.iter().filter(|(id, _)| id == product).map(|(_, user)| *user).collect()
    }
}
