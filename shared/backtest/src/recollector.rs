//! What users would remember, had everything that is watched now been watched from the beginning: rows of the archive,
//! applied anew.
//!
//! Other than in a backtest nothing is decided anew: alarms ring when they rang, and what a visitor's memory brought to a
//! user comes where the user's own rows say that it came. So the users are where they were, but for what a program of
//! another day remembered of them.

use std::collections::{BTreeMap, VecDeque};

use kairos_engine::facts::{Fact, Row};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::program::Program;
use kairos_engine::recollection::recollection;
use kairos_engine::register::RegisterId;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::Timestamp;

/// Users as far as their rows have come.
#[derive(Debug)]
pub struct Recollector<'a> {
    program: &'a Program,
    users: BTreeMap<UserKey, Replayed>,
    /// Memories of visitors that are on their way, by whose they are.
    told: BTreeMap<UserKey, VecDeque<Input>>,
    /// Who waits for a visitor's memory, because its files come later.
    waiting: BTreeMap<UserKey, Vec<UserKey>>,
    rows: u64,
    repeated: u64,
    omitted: u64,
    is_whole: bool,
}

#[derive(Debug, Default)]
struct Replayed {
    state: UserState,
    /// The last row that has come.
    reached: Option<(u64, usize)>,
    /// Rows that stand behind a visitor's memory which has not come yet.
    held: VecDeque<Fact>,
}

impl<'a> Recollector<'a> {
    /// Nobody so far, to be replayed under this program.
    pub fn new(program: &'a Program) -> Self {
        Self {
            program,
            users: BTreeMap::new(),
            told: BTreeMap::new(),
            waiting: BTreeMap::new(),
            rows: 0,
            repeated: 0,
            omitted: 0,
            is_whole: true,
        }
    }

    /// Takes a row; what became of deliveries is passed over. Those of each user have to come in their order; one that comes again changes nothing.
    pub fn note(&mut self, row: Row) {
        if matches!(row.fact, Fact::Delivery { .. }) {
            return;
        }
        let user = self.users.entry(row.user).or_default();
        let place = (row.revision, row.number);
        if user.reached.is_some_and(|reached| place <= reached) {
            self.repeated += 1;
            return;
        }
        if user.reached.is_none() && row.revision > 1 {
            self.is_whole = false;
        }
        user.reached = Some(place);
        self.rows += 1;
        if user.held.is_empty() {
            self.apply(row.user, row.fact);
        } else {
            user.held.push_back(row.fact);
        }
    }

    /// Applies a fact, and whatever waited for what it tells.
    fn apply(&mut self, user: UserKey, fact: Fact) {
        let mut ready = VecDeque::from([(user, fact)]);
        while let Some((user, fact)) = ready.pop_front() {
            let input = match fact {
                Fact::Input { input, .. } => Some(*input),
                Fact::Merged { from, .. } => match self.told.get_mut(&from).and_then(VecDeque::pop_front) {
                    Some(merge) => Some(merge),
                    None => {
                        self.waiting.entry(from).or_default().push(user);
                        self.users.entry(user).or_default().held.push_front(fact);
                        continue;
                    }
                },
                Fact::Omitted { facts, .. } => {
                    self.omitted += facts as u64;
                    None
                }
                // What was decided follows from what happened.
                _ => None,
            };
            for from in input.iter().flat_map(|input| self.step(user, input)).collect::<Vec<_>>() {
                for waits in self.waiting.remove(&from).unwrap_or_default() {
                    self.go_on(waits, &mut ready);
                }
            }
            self.go_on(user, &mut ready);
        }
    }

    /// Takes up the first of the rows that a user was held up with; the rest comes behind it.
    fn go_on(&mut self, user: UserKey, ready: &mut VecDeque<(UserKey, Fact)>) {
        let first = self.users.get_mut(&user).and_then(|user| user.held.pop_front());
        ready.extend(first.map(|fact| (user, fact)));
    }

    /// Applies an input, and gives whose memories are on their way now.
    fn step(&mut self, user: UserKey, input: &Input) -> Vec<UserKey> {
        let replayed = self.users.entry(user).or_default();
        let stepped = step(self.program, user, &mut replayed.state, std::slice::from_ref(input), input.at());
        let mut told = Vec::new();
        for effect in stepped.effects {
            if let Effect::Tell { input, .. } = effect
                && let Input::Merge { from, .. } = *input
            {
                self.told.entry(from).or_default().push_back(*input);
                told.push(from);
            }
        }
        told
    }

    /// Goes on without the memories of visitors of whom there is no row: they are from before the rows begin. Gives how
    /// many that were. To be called when all rows are there.
    pub fn go_on_without_unknown_visitors(&mut self) -> usize {
        let unknown: Vec<UserKey> =
            self.waiting.keys().filter(|visitor| !self.users.contains_key(visitor)).copied().collect();
        let mut missed = 0;
        for visitor in unknown {
            for user in self.waiting.remove(&visitor).unwrap_or_default() {
                missed += 1;
                let held = self.users.get_mut(&user).map(|user| &mut user.held);
                // What brings the visitor's memory is passed over.
                let next = held.and_then(|held| held.pop_front().and_then(|_| held.pop_front()));
                if let Some(fact) = next {
                    self.apply(user, fact);
                }
            }
        }
        missed
    }

    /// How many rows were taken, and how many had been taken before.
    pub fn rows(&self) -> (u64, u64) {
        (self.rows, self.repeated)
    }

    /// Facts that had no room in a user's item: what is recollected of these users may be too little.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Whether every user's rows are there from the first one on.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Users whose rows wait for the memory of a visitor that is not in the rows.
    pub fn waiting(&self) -> usize {
        self.users.values().filter(|user| !user.held.is_empty()).count()
    }

    /// The users there are.
    pub fn users(&self) -> impl Iterator<Item = UserKey> {
        self.users.keys().copied()
    }

    /// What a user can be told of these registers, as far as the rows go. `None` when that is nothing.
    pub fn of(&self, user: UserKey, wanted: &[RegisterId], at: Timestamp) -> Option<Input> {
        recollection(self.program, &self.users.get(&user)?.state, wanted, at)
    }
}
