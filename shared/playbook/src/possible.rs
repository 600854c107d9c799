//! Whether a play can ever send, and whether a condition is more than a word for "always" or "never".
//!
//! Conditions become formulas over atoms, the questions they ask. An atom may be true or false, unless another
//! one decides it ([`crate::relations`]); all combinations that are left are tried. This finds no contradiction
//! that is not there; it may miss one that only calculation would show.

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{CartTest, Channel, Condition, EventMatch, EventPattern, Play, ReachTest, Step, Trigger};
use kairos_engine::time::Span;

use crate::relations::{excludes, implies};

/// Most atoms that are tried in all combinations; of what asks more, everything is taken to be possible.
const ATOMS_MAX: usize = 16;

/// Why a play can never send anything: the key that it lies in, and what to change.
pub(crate) type Why = (&'static str, &'static str);

/// Nothing when some user could get a message of the play.
pub(crate) fn can_send(play: &Play) -> Result<(), Why> {
    let mut channels = Vec::new();
    let mut waits = false;
    look_through(&play.steps, &mut channels, &mut waits);
    if channels.is_empty() {
        return Err(("steps", "none of its steps sends anything; add a `send`"));
    }
    let who = starts(play);
    if !Question::new(&who).can_be(true) {
        let help = "no user can fulfil `who` and `unless` at once; look for conditions that exclude each other";
        return Err(("who", help));
    }
    // A wait begins while `who` holds; `unless` is asked when it is over.
    if let Trigger::Absence { after, .. } = &play.trigger
        && !Question::after(after, &play.who).can_be(true)
    {
        return Err(("who", "whoever the trigger starts the wait for is excluded here; compare this with the trigger"));
    }
    let begun = Condition::All(vec![who, start(&play.trigger)]);
    if !Question::at(&play.trigger, &begun).can_be(true) {
        return Err(("who", "whoever the trigger starts it for is excluded here; compare this with the trigger"));
    }
    // Who has no address now may have one after a wait.
    let reachable = channels.iter().map(|channel| match channel {
        Channel::Webhook | Channel::OnSite => Condition::default(),
        channel => Condition::Reachable(ReachTest::By(*channel)),
    });
    let reached = Condition::All(vec![begun, Condition::Any(reachable.collect())]);
    if !waits && !Question::at(&play.trigger, &reached).can_be(true) {
        return Err(("who", "no user of `who` can be reached on its channels; widen `who` or add a channel"));
    }
    Ok(())
}

/// Whether a condition is the same for everybody, and then which.
pub(crate) fn is_always(condition: &Condition) -> Option<bool> {
    let question = Question::new(condition);
    match (question.can_be(true), question.can_be(false)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// Whether a condition is the same for everybody who has just entered the play and of whom `way` holds, and then
/// which.
pub(crate) fn is_settled_by(play: &Play, way: &Condition, condition: &Condition) -> Option<bool> {
    let entered = [starts(play), start(&play.trigger), way.clone()];
    let can_be = |condition: Condition| {
        let all = Condition::All(entered.iter().cloned().chain([condition]).collect());
        Question::at(&play.trigger, &all).can_be(true)
    };
    match (can_be(condition.clone()), can_be(Condition::Not(Box::new(condition.clone())))) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// `who`, and not `unless`.
fn starts(play: &Play) -> Condition {
    let unless = play.unless.iter().map(|unless| Condition::Not(Box::new(unless.clone())));
    Condition::All(core::iter::once(play.who.clone()).chain(unless).collect())
}

/// What holds at the instant at which a trigger starts its play.
fn start(trigger: &Trigger) -> Condition {
    use kairos_engine::playbook::Change;
    match trigger {
        Trigger::Becomes(condition) => condition.clone(),
        Trigger::Segment { name, on: Change::Entry } => Condition::Segment(name.clone()),
        Trigger::Segment { name, on: Change::Exit } => Condition::Not(Box::new(Condition::Segment(name.clone()))),
        Trigger::Place { of, on: Change::Entry } => Condition::Inside(of.clone()),
        _ => Condition::default(),
    }
}

fn look_through(steps: &[Step], channels: &mut Vec<Channel>, waits: &mut bool) {
    for step in steps {
        match step {
            Step::Send { channels: more, .. } => channels.extend(more),
            Step::Wait(_) | Step::WaitForHours(_) => *waits = true,
            Step::WaitUntil { otherwise, .. } => {
                *waits = true;
                look_through(otherwise, channels, waits);
            }
            Step::Branch { then, otherwise, .. } => {
                look_through(then, channels, waits);
                look_through(otherwise, channels, waits);
            }
            Step::Split { variants, .. } => {
                variants.iter().for_each(|variant| look_through(&variant.steps, channels, waits));
            }
            Step::Stop => {}
        }
    }
}

/// A condition over atoms.
enum Formula {
    All(Vec<Formula>),
    Any(Vec<Formula>),
    Not(Box<Formula>),
    Atom(usize),
    /// What needs an address that nobody has.
    Never,
}

impl Formula {
    fn of(condition: &Condition, atoms: &mut Vec<Condition>) -> Self {
        let mut each = |parts: &[Condition]| parts.iter().map(|part| Self::of(part, atoms)).collect();
        match condition {
            Condition::All(parts) => Self::All(each(parts)),
            Condition::Any(parts) => Self::Any(each(parts)),
            Condition::Not(part) => Self::Not(Box::new(Self::of(part, atoms))),
            Condition::Cart(CartTest::Empty) => {
                Self::Not(Box::new(Self::of(&Condition::Cart(CartTest::NotEmpty), atoms)))
            }
            Condition::Reachable(ReachTest::Anyhow) => {
                let by = |channel| Condition::Reachable(ReachTest::By(channel));
                Self::Any(each(&Channel::PERSONAL.map(by)))
            }
            Condition::Reachable(ReachTest::By(Channel::Webhook | Channel::OnSite)) => Self::Never,
            atom => {
                let known = atoms.iter().position(|known| known == atom);
                Self::Atom(known.unwrap_or_else(|| {
                    atoms.push(atom.clone());
                    atoms.len() - 1
                }))
            }
        }
    }

    fn holds(&self, answers: &[bool]) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(answers)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(answers)),
            Self::Not(part) => !part.holds(answers),
            Self::Atom(at) => answers[*at],
            Self::Never => false,
        }
    }
}

/// A condition, and what is known of its atoms.
struct Question {
    formula: Formula,
    atoms: Vec<Condition>,
    /// Answers that are no longer open.
    given: Vec<Option<bool>>,
}

impl Question {
    fn new(condition: &Condition) -> Self {
        let mut atoms = Vec::new();
        let formula = Formula::of(condition, &mut atoms);
        let given = vec![None; atoms.len()];
        Self { formula, atoms, given }
    }

    /// The same at the instant of a trigger, which answers some questions: what has just happened was done, and was
    /// not long ago; an order has emptied the cart.
    fn at(trigger: &Trigger, condition: &Condition) -> Self {
        match trigger {
            Trigger::Event(of) => Self::after(of, condition),
            Trigger::Sequence { steps, .. } if !steps.is_empty() => Self::after(&steps[steps.len() - 1], condition),
            _ => Self::new(condition),
        }
    }

    /// The same right after one of these events.
    fn after(happened: &[EventMatch], condition: &Condition) -> Self {
        let mut question = Self::new(condition);
        let ordered = EventPattern::Track(EventName::OrderCompleted);
        let only_orders = happened.iter().all(|event| event.event == ordered);
        let is_among = |of: &[EventMatch]| happened.iter().all(|event| covers(of, event));
        for (atom, given) in question.atoms.iter().zip(&mut question.given) {
            match atom {
                Condition::Did { of, at_least: 1, same: None, .. } if is_among(of) => *given = Some(true),
                Condition::Last { of, ago } if *ago > Span::ZERO && is_among(of) => *given = Some(false),
                Condition::Cart(CartTest::NotEmpty) if only_orders => *given = Some(false),
                _ => {}
            }
        }
        question
    }

    /// Whether the condition can come out so for some user.
    fn can_be(&self, wanted: bool) -> bool {
        // What two atoms have to do with one another is asked once, not for every combination.
        let each = |relation: fn(&Condition, &Condition) -> bool| -> Vec<Vec<bool>> {
            let row = |one| self.atoms.iter().map(|other| relation(one, other)).collect();
            self.atoms.iter().map(row).collect()
        };
        self.atoms.len() > ATOMS_MAX
            || self.answer(&each(implies), &each(excludes), &mut Vec::with_capacity(self.atoms.len()), wanted)
    }

    fn answer(&self, implies: &[Vec<bool>], excludes: &[Vec<bool>], answers: &mut Vec<bool>, wanted: bool) -> bool {
        let at = answers.len();
        if at == self.atoms.len() {
            return self.formula.holds(answers) == wanted;
        }
        [true, false].into_iter().any(|answer| {
            let fits = self.given[at].is_none_or(|given| given == answer)
                && answers.iter().enumerate().all(|(other, known)| match (answer, *known) {
                    (true, true) => !excludes[at][other] && !excludes[other][at],
                    (true, false) => !implies[at][other],
                    (false, true) => !implies[other][at],
                    (false, false) => true,
                });
            if !fits {
                return false;
            }
            answers.push(answer);
            let found = self.answer(implies, excludes, answers, wanted);
            answers.pop();
            found
        })
    }
}

/// Whether an event is certainly one of these.
pub(crate) fn covers(of: &[EventMatch], event: &EventMatch) -> bool {
    of.iter().any(|known| {
        known == event || (known.filters.is_empty() && (known.event == event.event || known.event == EventPattern::Any))
    })
}
