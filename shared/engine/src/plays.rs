//! What plays make of events, changes and deadlines: who starts when, and who may.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use smallvec::SmallVec;

use crate::bounds::{EVENT_NAME_BYTES_KEPT_MAX, RUNS_MAX, SEGMENT_ROUNDS_MAX, STEPS_PER_INSTANT_MAX, WHY_BYTES_MAX};
use crate::check::View;
use crate::event::{Event, EventKind};
use crate::limits::draws;
use crate::local_time::LocalClock;
use crate::mailbox::CatalogueChange;
use crate::name::Name;
use crate::outcome::{OutcomeRecord, PlayOutcome, Reason};
use crate::playbook::{CatalogueTest, Change, Entry, Interest, Play, Trigger};
use crate::product::{Product, shortened};
use crate::program::{Instruction, PlayRole};
use crate::property;
use crate::register::RegisterValue;
use crate::state::{PlayState, Scheduled, Subject, Waiting};
use crate::step::{Credit, Run};
use crate::time::{Span, Timestamp};

/// A play that is to be started.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// Its place in the program.
    pub(crate) place: usize,
    /// When its moment was due, by the user's clock.
    pub(crate) due_at: Timestamp,
    /// When what starts it happened: earlier than it was due when it was reported late. Whether the moment has
    /// passed goes by this.
    pub(crate) happened_at: Timestamp,
    /// What it is about.
    pub(crate) cause: Cause<'a>,
}

/// What a play is started by. Most starts lead nowhere: what they are about is put into words only for those that
/// lead on.
#[derive(Debug)]
pub(crate) enum Cause<'a> {
    /// A segment, by its name, was entered or left.
    Segment(&'a str, Change),
    /// Its condition turned true.
    Turned,
    /// An event.
    Event(&'a Event),
    /// Something else, which is told at once because it will not be there later.
    Told(Box<Subject>),
}

impl Cause<'_> {
    fn subject(self, play: &Play, at: Timestamp) -> Subject {
        let why = match self {
            Self::Segment(name, Change::Entry) => format!("entered segment {name} at {at}"),
            Self::Segment(name, Change::Exit) => format!("left segment {name} at {at}"),
            Self::Turned => format!("its condition turned true at {at}"),
            Self::Event(event) => return subject_of(play, event, at),
            Self::Told(subject) => return *subject,
        };
        Subject { why, ..Subject::default() }
    }
}

/// What an event tells of a user beside registers: nothing but its own properties.
fn subject_of(play: &Play, event: &Event, at: Timestamp) -> Subject {
    Subject {
        why: format!("{} at {at}", label(event)),
        product: event.products.first().map(Product::for_keeping),
        product_was: None,
        event: property::kept(event, &play.event_properties),
        place: None,
    }
}

impl<'a> Start<'a> {
    /// One that is known when it is due.
    pub(crate) const fn now(place: usize, due_at: Timestamp, cause: Cause<'a>) -> Self {
        Self { place, due_at, happened_at: due_at, cause }
    }

    /// One that is known when it is due, about something.
    pub(crate) fn about(place: usize, due_at: Timestamp, subject: Subject) -> Self {
        Self::now(place, due_at, Cause::Told(Box::new(subject)))
    }
}

/// What an event is called, for people.
pub(crate) fn label(event: &Event) -> &str {
    match &event.kind {
        EventKind::Track { event, .. } => event.as_str(),
        EventKind::Identify { .. } => "identify",
        EventKind::Page { .. } => "page",
        EventKind::Screen { .. } => "screen",
        EventKind::Group { .. } => "group",
        EventKind::Alias { .. } => "alias",
    }
}

impl<'a> Run<'a> {
    pub(crate) fn play(&self, place: usize) -> &'a Play {
        let program = self.program;
        &program.playbook().plays[program.plays[place].play]
    }

    fn standing(&mut self, place: usize) -> &mut PlayState {
        let play = self.play(place);
        if !self.state.plays.contains_key(&play.name) {
            self.state.plays.insert(play.name.clone(), PlayState::default());
        }
        self.state.plays.get_mut(&play.name).expect("it was just put in")
    }

    fn known(&self, place: usize) -> Option<&PlayState> {
        self.state.plays.get(&self.play(place).name)
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { program: self.program, state: self.state, seats: &self.seats, at: self.state.clock }
    }

    /// Lets plays see an event that has just been applied. `completed` names the sequences it moved on.
    pub(crate) fn see(&mut self, event: &'a Event, completed: &[(usize, usize)], at: Timestamp) {
        let program = self.program;
        let mut roles: SmallVec<[(PlayRole, usize); 16]> = SmallVec::new();
        for (place, role, ways) in &program.dispatch(event).plays {
            if ways.mean(event, at) {
                roles.push((*role, *place));
            }
        }
        if roles.is_empty() {
            return;
        }
        roles.sort_unstable();
        roles.dedup();
        for (role, place) in roles.iter().copied() {
            match role {
                PlayRole::Goal => self.goal_met(place, event, at),
                PlayRole::EndsWait => self.cancel_wait(place, at, || format!("{} at {at}", label(event))),
                PlayRole::StartsWait if roles.contains(&(PlayRole::EndsWait, place)) => {}
                PlayRole::StartsWait => self.wait(place, event, at),
                PlayRole::Starts => self.starts_with(place, event, completed, at),
            }
        }
    }

    fn wait(&mut self, place: usize, event: &Event, at: Timestamp) {
        let play = self.play(place);
        let Trigger::Absence { wait, .. } = &play.trigger else { return };
        if self.view().verdict(&self.program.plays[place].who).holds {
            let after = shortened(label(event), EVENT_NAME_BYTES_KEPT_MAX).to_string();
            let waiting = Waiting { due_at: at.plus(*wait), after, after_at: at };
            let outcome = PlayOutcome::Waiting { due_at: waiting.due_at };
            self.standing(place).waiting = Some(waiting);
            self.note(play, at, outcome);
        } else {
            self.cancel_wait(place, at, || format!("`who` no longer held after {} at {at}", label(event)));
        }
    }

    fn cancel_wait(&mut self, place: usize, at: Timestamp, by: impl FnOnce() -> String) {
        let play = self.play(place);
        let waiting = self.state.plays.get_mut(&play.name).and_then(|play| play.waiting.take());
        if waiting.is_some() {
            self.note(play, at, PlayOutcome::Cancelled { by: by() });
        }
    }

    fn starts_with(&mut self, place: usize, event: &'a Event, completed: &[(usize, usize)], at: Timestamp) {
        match &self.play(place).trigger {
            Trigger::Event(_) => {}
            Trigger::Sequence { steps, .. } => {
                let register = self.program.plays[place].register;
                if !completed.iter().any(|(index, role)| Some(*index) == register && *role + 1 == steps.len()) {
                    return;
                }
            }
            Trigger::RunOut { .. } => return self.schedule_run_out(place),
            _ => return,
        }
        let happened_at = event.at.min(at);
        self.starts.push(Start { place, due_at: at, happened_at, cause: Cause::Event(event) });
    }

    /// What a play wanted has happened: it ends, and the message before it is credited.
    fn goal_met(&mut self, place: usize, event: &Event, at: Timestamp) {
        let play = self.play(place);
        let Some(goal) = &play.goal else { return };
        let Some(standing) = self.state.plays.get_mut(&play.name) else { return };
        let stopped = standing.run.take().is_some() | standing.waiting.take().is_some();
        let exposure = standing.exposure.take();
        if let Some(exposure) = exposure
            && at.since(exposure.at) < goal.within
        {
            let value = crate::property::worth(event);
            let after = at.since(exposure.at);
            let step = exposure.step.and_then(|step| self.program.plays[place].find(step));
            let message = step.and_then(|step| match &self.program.plays[place].instructions[step].1 {
                Instruction::Send { message, .. } => Some(message.clone()),
                _ => None,
            });
            let currency = crate::property::currency_of(event);
            self.out.credits.push(Credit { message, channel: exposure.channel, currency });
            self.note(play, at, PlayOutcome::Converted { after, sent: exposure.sent, value });
        }
        if stopped {
            self.note(play, at, PlayOutcome::Cancelled { by: format!("its goal: {} at {at}", label(event)) });
        }
    }

    /// The price or the stock of a product has changed.
    pub(crate) fn catalogue_changed(&mut self, product: &Product, changes: &[CatalogueChange]) {
        let program = self.program;
        let at = self.state.clock;
        let state = &*self.state;
        let known = state.interests.iter().find(|known| known.product == product.id).map(|known| known.interest);
        let carted = state.cart.items().iter().any(|item| item.id == product.id).then_some(Interest::Carted);
        let Some(interest) = known.max(carted) else { return };
        for place in 0..program.plays.len() {
            let Trigger::Catalogue { of, interest: wanted } = &self.play(place).trigger else { continue };
            let Some((change, was)) = of.iter().find_map(|test| fitting(*test, changes)) else { continue };
            if wanted.contains(&interest) {
                let subject = Subject {
                    why: format!("{change} of {} at {at}", shortened(&product.id, EVENT_NAME_BYTES_KEPT_MAX)),
                    product: Some(product.for_keeping()),
                    product_was: was,
                    ..Subject::default()
                };
                self.starts.push(Start::about(place, at, subject));
            }
        }
    }

    /// Something is due.
    pub(crate) fn fire(&mut self, due_at: Timestamp) {
        let program = self.program;
        let over: Vec<String> = self
            .state
            .inside
            .iter()
            .filter(|inside| inside.until <= due_at)
            .map(|inside| inside.place.clone())
            .collect();
        over.iter().for_each(|place| self.leave_place(place, due_at));
        for place in 0..program.watched.len() {
            let standing = self.seats.standing(self.state, place);
            if standing.next.is_some_and(|next| next <= due_at) {
                self.dirty.insert(place);
            }
        }
        self.update_watched();
        let due: Vec<Name> = self
            .state
            .plays
            .iter()
            .filter(|(_, standing)| standing.next_deadline().is_some_and(|next| next <= due_at))
            .map(|(name, _)| name.clone())
            .collect();
        let mut places = Vec::new();
        for name in due {
            match program.play_by_name(&name) {
                Some(place) => places.push(place),
                // A play that is no longer in the playbook has nothing to say.
                None => {
                    if let Some(standing) = self.state.plays.get_mut(&name) {
                        (standing.waiting, standing.run, standing.scheduled) = (None, None, None);
                    }
                }
            }
        }
        places.sort_unstable();
        self.steps_left = STEPS_PER_INSTANT_MAX;
        for place in places {
            self.wait_is_over(place, due_at);
            self.clock_strikes(place, due_at);
            self.resume(place, due_at);
        }
        self.settle();
    }

    fn wait_is_over(&mut self, place: usize, due_at: Timestamp) {
        let play = self.play(place);
        let Some(standing) = self.state.plays.get_mut(&play.name) else { return };
        let Some(waiting) = standing.waiting.take_if(|waiting| waiting.due_at <= due_at) else { return };
        let Trigger::Absence { of, .. } = &play.trigger else { return };
        let absent = of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let why = format!(
            "{} since {} at {}, no {absent}",
            waiting.due_at.since(waiting.after_at),
            waiting.after,
            waiting.after_at
        );
        let why = shortened(&why, WHY_BYTES_MAX).to_string();
        // What was put aside last is what the message is about.
        let product = self.state.cart.items().last().map(Product::for_keeping);
        let subject = Subject { why, product, ..Subject::default() };
        self.starts.push(Start::about(place, waiting.due_at, subject));
    }

    fn clock_strikes(&mut self, place: usize, due_at: Timestamp) {
        let play = self.play(place);
        let Some(standing) = self.state.plays.get_mut(&play.name) else { return };
        let Some(scheduled) = standing.scheduled.take_if(|scheduled| scheduled.due_at <= due_at) else { return };
        let at = scheduled.due_at;
        let (why, product) = match (&play.trigger, scheduled.product) {
            (Trigger::Schedule(_), _) => {
                self.schedule(place, at);
                (format!("scheduled for {at}"), None)
            }
            (Trigger::RunOut { .. }, Some(product)) => {
                self.schedule_run_out(place);
                let why = format!("{} is about to run out at {at}", shortened(&product, EVENT_NAME_BYTES_KEPT_MAX));
                (why, Some(Product { id: product.into(), quantity: 1, ..Product::default() }))
            }
            _ => return,
        };
        self.starts.push(Start::about(place, at, Subject { why, product, ..Subject::default() }));
    }

    /// Sets a scheduled play for its next time.
    pub(crate) fn schedule(&mut self, place: usize, after: Timestamp) {
        let play = self.play(place);
        let Trigger::Schedule(schedule) = &play.trigger else { return };
        let own = self.program.plays[place].schedule_clock.clone();
        let clock = own.unwrap_or_else(|| self.program.clock_of(self.state));
        // Times whose moment has passed already are left out: nobody has to be told of each.
        let worth_it = self.now.minus(play.valid_for);
        let next = clock.next(schedule, after.max(worth_it));
        self.standing(place).scheduled = next.map(|due_at| Scheduled { due_at, product: None });
    }

    /// The user is in another time zone: what starts by their own clock comes at its time of the same day there.
    /// Where that has gone by, it stays as it was, so that a day comes neither twice nor not at all.
    pub(crate) fn move_schedules(&mut self, before: &LocalClock) {
        let program = self.program;
        let clock = program.clock_of(self.state);
        let at = self.state.clock;
        for (place, built) in program.plays.iter().enumerate() {
            let play = self.play(place);
            let (Trigger::Schedule(schedule), None) = (&play.trigger, &built.schedule_clock) else { continue };
            let standing = self.state.plays.get_mut(&play.name);
            if let Some(scheduled) = standing.and_then(|standing| standing.scheduled.as_mut())
                && let Some(due_at) = clock.on_day_of(before, scheduled.due_at, schedule).filter(|due_at| *due_at > at)
            {
                scheduled.due_at = due_at;
            }
        }
    }

    pub(crate) fn unschedule(&mut self, place: usize) {
        let play = self.play(place);
        if let Some(standing) = self.state.plays.get_mut(&play.name) {
            standing.scheduled = None;
        }
    }

    /// Sets a play for when the next product is about to run out.
    pub(crate) fn schedule_run_out(&mut self, place: usize) {
        let play = self.play(place);
        let Trigger::RunOut { before, lasts, .. } = &play.trigger else { return };
        let Some(register) = self.program.plays[place].register else { return };
        let clock = self.state.clock;
        let next = match self.seats.register(self.state, register) {
            Some(RegisterValue::Refills(refills)) => refills
                .iter()
                .filter_map(|refill| {
                    let interval = match refill.count {
                        0 | 1 => (*lasts)?,
                        count => Span::from_millis(refill.last.since(refill.first).as_millis() / i64::from(count - 1)),
                    };
                    let due_at = refill.last.plus(interval).minus(*before);
                    (due_at > clock).then(|| Scheduled { due_at, product: Some(refill.product.clone()) })
                })
                .min_by(|one, other| one.due_at.cmp(&other.due_at)),
            _ => None,
        };
        if next.is_some() || self.known(place).is_some() {
            self.standing(place).scheduled = next;
        }
    }

    /// Brings the instant to rest: starts what is to be started, asks again what that has changed.
    pub(crate) fn settle(&mut self) {
        self.steps_left = STEPS_PER_INSTANT_MAX;
        for _ in 0..SEGMENT_ROUNDS_MAX {
            self.update_watched();
            let mut starts = core::mem::take(&mut self.starts);
            let waited = self.wait_ends();
            if starts.is_empty() && !waited && self.dirty.is_empty() {
                return;
            }
            if starts.len() > 1 {
                starts.sort_by_key(|start| start.place);
            }
            for start in starts {
                self.enter(start);
            }
        }
        // What still changes is looked at again a moment later: no circle holds up an instant.
        let soon = self.state.clock.plus(Span::from_millis(1));
        while let Some(place) = self.dirty.pop() {
            self.seats.ask_again(self.program, self.state, place, soon);
        }
        self.starts.clear();
    }

    /// The moment of a play has come for this user.
    pub(crate) fn enter(&mut self, start: Start<'_>) {
        let Start { place, due_at, happened_at, cause } = start;
        let play = self.play(place);
        if let Err(reason) = self.may_enter(place, due_at, happened_at) {
            self.note(play, due_at, PlayOutcome::NotSent { reason });
            return;
        }
        self.make_way();
        let standing = self.standing(place);
        standing.entered = standing.entered.saturating_add(1);
        standing.entered_at = Some(due_at);
        self.proceed(place, 0, due_at, None, cause.subject(play, due_at));
    }

    /// The plays on whose way the user is.
    fn running(&self) -> impl Iterator<Item = &Name> {
        self.state.plays.iter().filter(|(_, standing)| standing.run.is_some()).map(|(name, _)| name)
    }

    /// Plays that are no longer in the playbook do not keep users from entering others.
    fn make_way(&mut self) {
        if self.running().count() < RUNS_MAX {
            return;
        }
        let program = self.program;
        let gone = self.state.plays.iter_mut().filter(|(name, _)| program.play_by_name(name).is_none());
        gone.for_each(|(_, standing)| standing.run = None);
    }

    fn may_enter(&self, place: usize, due_at: Timestamp, happened_at: Timestamp) -> Result<(), Reason> {
        let play = self.play(place);
        let built = &self.program.plays[place];
        let standing = self.known(place);
        if !draws(self.user, &play.name, "rollout", play.rollout) {
            return Err(Reason::NotRolledOut);
        }
        if play.entry == Entry::Once && standing.is_some_and(|standing| standing.entered > 0) {
            return Err(Reason::AlreadyEntered);
        }
        if standing.is_some_and(|standing| standing.run.is_some()) {
            return Err(Reason::AlreadyRunning);
        }
        if let (Some(cooldown), Some(entered_at)) = (play.cooldown, standing.and_then(|standing| standing.entered_at)) {
            let until = entered_at.plus(cooldown);
            if due_at < until {
                return Err(Reason::Cooldown { until });
            }
        }
        if !self.view().verdict(&built.who).holds {
            return Err(Reason::NotInAudience);
        }
        if built.unless.as_ref().is_some_and(|unless| self.view().verdict(unless).holds) {
            return Err(Reason::Excluded);
        }
        let late_by = self.now.since(happened_at);
        if late_by > play.valid_for {
            return Err(Reason::MomentPassed { late_by });
        }
        if self.running().filter(|name| self.program.play_by_name(name).is_some()).count() >= RUNS_MAX {
            return Err(Reason::TooManyRunning);
        }
        Ok(())
    }

    pub(crate) fn note(&mut self, play: &Play, at: Timestamp, outcome: PlayOutcome) {
        let record = OutcomeRecord { at, play: play.name.clone(), outcome };
        self.out.considered.push(record.clone());
        self.state.note(record);
    }
}

/// Whether a change is one that a play waits for; with a word for it, and the price before.
fn fitting(test: CatalogueTest, changes: &[CatalogueChange]) -> Option<(&'static str, Option<crate::money::Micros>)> {
    changes.iter().find_map(|change| match (test, change) {
        (CatalogueTest::PriceDrop { percent }, CatalogueChange::Price { from, to }) => {
            let by = (from.get() - to.get()) as f64 / from.get().max(1) as f64 * 100.0;
            (to < from && by >= percent).then_some(("price drop", Some(*from)))
        }
        (CatalogueTest::BackInStock, CatalogueChange::Stock { from: 0, to: 1.. }) => Some(("return", None)),
        (CatalogueTest::LowStock { at_most }, CatalogueChange::Stock { from, to }) => {
            (*from > at_most && (1..=at_most).contains(to)).then_some(("low stock", None))
        }
        _ => None,
    })
}
