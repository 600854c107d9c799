//! A circuit breaker: a provider that is out of order is left alone, and asked now and then whether it is back.
//!
//! ```text
//! closed ── troubles ──▶ open ── its time is over ──▶ one message may try
//!   ▲                     ▲                               │
//!   │                     └────── trouble: twice as long ──┤
//!   └───────────────────── an answer ──────────────────────┘
//! ```
//!
//! Trouble is no answer, and "not now" that is meant for everybody. Whatever else a provider says, it is there.
//!
//! While it is open, messages go back to the queue without a call, as new ones with a delay: that neither uses up the times that
//! the queue gives a message nor leaves an SMS in doubt. Who has passed their moment meanwhile expires.
//!
//! Each process has its own: sharing one would take a read of a table before every call, which costs more than the calls that
//! it saves. With two processes at most (`MaximumConcurrency`), twice [`BREAKER_TROUBLES_IN_A_ROW_MAX`] calls find out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kairos_engine::bounds::{
    BREAKER_OPEN, BREAKER_OPEN_MAX, BREAKER_PROBE, BREAKER_TROUBLES_IN_A_ROW_MAX, BREAKER_TROUBLES_MAX, BREAKER_WINDOW,
};
use kairos_engine::time::{Span, Timestamp};

use super::answer::{Answer, AnswerClass};

/// The breaker of one provider in one process.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Troubles since the last answer.
    in_a_row: u32,
    /// The last answers, the newest in the lowest bit: set for trouble.
    recent: u32,
    /// How often it was opened since it was last closed.
    opened: u32,
    /// Until when nobody calls; it is closed without it.
    open_until: Option<Timestamp>,
    /// Until when the one that tries has the provider for itself.
    probe_until: Option<Timestamp>,
}

impl Breaker {
    /// How long the provider is to be left alone. `None` lets the caller try: while the breaker is not closed, the caller alone,
    /// for as long as a call takes.
    pub fn wait(&self, now: Timestamp) -> Option<Span> {
        let mut state = self.state();
        let open_until = state.open_until?;
        if now < open_until {
            return Some(open_until.since(now));
        }
        match state.probe_until {
            Some(probe_until) if now < probe_until => Some(probe_until.since(now)),
            _ => {
                state.probe_until = Some(now.plus(BREAKER_PROBE));
                None
            }
        }
    }

    /// The same without trying: others may still do so.
    pub fn would_wait(&self, now: Timestamp) -> Option<Span> {
        let state = self.state();
        let until = [state.open_until, state.probe_until].into_iter().flatten().max()?;
        (now < until).then(|| until.since(now))
    }

    /// Whether it is open, or being tried.
    pub fn is_open(&self) -> bool {
        self.state().open_until.is_some()
    }

    /// Hears what the provider has said to one message. Says whether that has opened it, again or for the first time.
    pub fn heard(&self, answer: &Answer, now: Timestamp) -> bool {
        let mut state = self.state();
        let is_trouble = is_trouble(answer);
        if state.open_until.is_some() {
            // Calls that began before it was opened say nothing new.
            if state.probe_until.take().is_none() {
                return false;
            }
            if !is_trouble {
                *state = State::default();
                return false;
            }
            state.open(now);
            return true;
        }
        state.in_a_row = if is_trouble { state.in_a_row + 1 } else { 0 };
        state.recent = (state.recent << 1 | u32::from(is_trouble)) & WINDOW_BITS;
        let opens =
            state.in_a_row >= BREAKER_TROUBLES_IN_A_ROW_MAX || state.recent.count_ones() >= BREAKER_TROUBLES_MAX;
        if opens {
            state.open(now);
        }
        opens
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers are sound whatever a panicking thread left behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const WINDOW_BITS: u32 = (1 << BREAKER_WINDOW) - 1;

impl State {
    fn open(&mut self, now: Timestamp) {
        let doublings = self.opened.min(BREAKER_OPEN_MAX.as_millis().ilog2());
        let span = BREAKER_OPEN.as_millis().saturating_mul(1 << doublings).min(BREAKER_OPEN_MAX.as_millis());
        *self = Self {
            opened: self.opened.saturating_add(1),
            open_until: Some(now.plus(Span::from_millis(span))),
            ..Self::default()
        };
    }
}

/// Whether an answer speaks of a provider that is out of order. Who says for how long to wait is in order, and waited for.
fn is_trouble(answer: &Answer) -> bool {
    match answer.class {
        AnswerClass::Unknown => true,
        AnswerClass::Retryable => answer.retry_after_ms.is_none(),
        AnswerClass::Sent
        | AnswerClass::PermanentAddress
        | AnswerClass::PermanentMessage
        | AnswerClass::Configuration
        | AnswerClass::NotAllowed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);

    fn answer(class: AnswerClass) -> Answer {
        Answer::new(class, "code")
    }

    fn opened(now: Timestamp) -> Breaker {
        let breaker = Breaker::default();
        for number in 1..=BREAKER_TROUBLES_IN_A_ROW_MAX {
            assert_eq!(breaker.heard(&answer(AnswerClass::Unknown), now), number == BREAKER_TROUBLES_IN_A_ROW_MAX);
        }
        breaker
    }

    #[test]
    fn it_opens_after_troubles_in_a_row_and_an_answer_starts_the_count_again() {
        let breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 1..BREAKER_TROUBLES_IN_A_ROW_MAX {
                assert!(!breaker.heard(&answer(AnswerClass::Retryable), NOON));
            }
            for class in [AnswerClass::Sent, AnswerClass::PermanentAddress, AnswerClass::Configuration] {
                for _ in 0..BREAKER_WINDOW {
                    assert!(!breaker.heard(&answer(class), NOON));
                }
            }
            assert_eq!(breaker.wait(NOON), None);
        }
        assert_eq!(opened(NOON).wait(NOON), Some(BREAKER_OPEN));
    }

    #[test]
    fn it_opens_when_every_other_call_fails() {
        let breaker = Breaker::default();
        let mut calls = 0;
        while breaker.wait(NOON).is_none() {
            calls += 1;
            let class = if calls % 2 == 0 { AnswerClass::Sent } else { AnswerClass::Unknown };
            breaker.heard(&answer(class), NOON);
        }
        assert_eq!(calls, 2 * BREAKER_TROUBLES_MAX - 1);
    }

    #[test]
    fn who_says_how_long_to_wait_is_not_out_of_order() {
        let breaker = Breaker::default();
        let later = answer(AnswerClass::Retryable).with_retry_after(Some(Span::from_secs(5)));
        assert!((0..100).all(|_| !breaker.heard(&later, NOON)));
    }

    #[test]
    fn one_message_tries_and_its_answer_decides() {
        let breaker = opened(NOON);
        let over = NOON.plus(BREAKER_OPEN);
        assert_eq!(breaker.wait(over.minus(Span::from_millis(1))), Some(Span::from_millis(1)));
        assert_eq!((breaker.would_wait(over), breaker.would_wait(over)), (None, None), "who only asks holds up nobody");
        assert_eq!(breaker.wait(over), None);
        assert_eq!((breaker.wait(over), breaker.would_wait(over)), (Some(BREAKER_PROBE), Some(BREAKER_PROBE)));
        assert!(!breaker.heard(&answer(AnswerClass::Sent), over));
        assert!(!breaker.is_open() && breaker.wait(over).is_none() && breaker.wait(over).is_none());
    }

    #[test]
    fn who_fails_again_is_left_alone_for_twice_as_long_up_to_a_bound() {
        let breaker = opened(NOON);
        let (mut now, mut expected) = (NOON, BREAKER_OPEN);
        for _ in 0..40 {
            assert_eq!(breaker.wait(now), Some(expected));
            now = now.plus(expected);
            assert_eq!(breaker.wait(now), None);
            assert!(breaker.heard(&answer(AnswerClass::Unknown), now));
            expected = Span::from_millis((2 * expected.as_millis()).min(BREAKER_OPEN_MAX.as_millis()));
        }
        assert_eq!(expected, BREAKER_OPEN_MAX);
    }

    #[test]
    fn one_that_was_to_try_and_never_called_makes_room_for_another() {
        let breaker = opened(NOON);
        let over = NOON.plus(BREAKER_OPEN);
        assert_eq!(breaker.wait(over), None);
        assert_eq!(breaker.wait(over.plus(BREAKER_PROBE)), None);
    }

    #[test]
    fn answers_to_calls_of_before_change_nothing() {
        let breaker = opened(NOON);
        assert!(
            !breaker.heard(&answer(AnswerClass::Sent), NOON) && !breaker.heard(&answer(AnswerClass::Unknown), NOON)
        );
        assert_eq!(breaker.wait(NOON), Some(BREAKER_OPEN));
    }

    proptest! {
        #[test]
        fn it_is_never_open_for_longer_than_its_bound(answers in proptest::collection::vec((any::<bool>(), 0_i64..400_000), 0..300)) {
            let breaker = Breaker::default();
            let mut now = NOON;
            for (is_sent, later) in answers {
                now = now.plus(Span::from_millis(later));
                match breaker.wait(now) {
                    Some(wait) => prop_assert!(wait <= BREAKER_OPEN_MAX && wait > Span::from_millis(0)),
                    None => drop(breaker.heard(&answer(if is_sent { AnswerClass::Sent } else { AnswerClass::Unknown }), now)),
                }
            }
            let after = now.plus(BREAKER_OPEN_MAX);
            prop_assert_eq!(breaker.wait(after), None);
            breaker.heard(&answer(AnswerClass::Sent), after);
            prop_assert!(!breaker.is_open());
        }
    }
}
