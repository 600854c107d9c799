//! Brings inputs that come a little late into the order of time.
//!
//! An input that happened before the newest time seen so far waits for nothing and is applied at its own
//! time, as long as it comes within the window; so everything is held back for the length of the window.
//! One that comes later is applied at the edge of the window: live, it would come late, too.

use kairos_engine::bounds::{BACKTEST_GA4_WINDOW, BACKTEST_WINDOW};
use kairos_engine::time::{Span, Timestamp};

use crate::Options;
use crate::formats::{Format, Routed};
use crate::groups::Groups;
use crate::shard::Item;

/// The order of a recording so far.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) window: Span,
    /// The newest time so far.
    pub(crate) newest: Timestamp,
    /// What was released; nothing is applied before it any more.
    floor: Timestamp,
}

impl Order {
    fn new(window: Span) -> Self {
        Self { window, newest: Timestamp::default(), floor: Timestamp::default() }
    }

    /// The order that options ask for, before any file is known.
    pub(crate) fn of(options: &Options) -> Self {
        Self::new(options.window.unwrap_or(BACKTEST_WINDOW))
    }

    /// Waits as long as a format needs, when the options leave that open.
    pub(crate) fn meet(&mut self, options: &Options, format: Format) {
        if options.window.is_none() && format == Format::Ga4 {
            self.widen(BACKTEST_GA4_WINDOW);
        }
    }

    /// What is applied up to now, and what later inputs cannot go before.
    pub(crate) fn edge(&self) -> Timestamp {
        self.newest.minus(self.window).max(self.floor)
    }

    /// Waits longer from now on. What was applied stays applied.
    fn widen(&mut self, window: Span) {
        self.floor = self.edge();
        self.window = self.window.max(window);
    }

    /// Gives up waiting for late inputs.
    pub(crate) fn release_all(&mut self) {
        self.floor = self.newest;
    }

    /// The order after these inputs.
    pub(crate) fn after(&self, newest: Option<Timestamp>) -> Self {
        Self { newest: self.newest.max(newest.unwrap_or_default()), ..*self }
    }

    /// Gives each input its turn, and those of each shard to it; and how many came late.
    pub(crate) fn arrange(
        mut self,
        piece: u32,
        inputs: Vec<Routed>,
        groups: &Groups,
        shards: usize,
    ) -> (Vec<Vec<Item>>, u64) {
        // Keys are hashes: all parts are about as large, so that few have to grow.
        let most = inputs.len() / shards * 3 / 2 + 1;
        let mut parts: Vec<Vec<Item>> = (0..shards).map(|_| Vec::with_capacity(most)).collect();
        let mut late = 0;
        for Routed { user, at, row, introduce, what } in inputs {
            let now = at.max(self.edge());
            late += u64::from(now > at);
            self.newest = self.newest.max(at);
            let place = u64::from(piece) << 32 | u64::from(row);
            parts[groups.shard(user)].push(Item { now, place, user, introduce, what });
        }
        (parts, late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Defaults, Made, Recorded};
    use kairos_engine::identifiers::UserKey;
    use kairos_engine::mailbox::Input;

    fn turns(window_ms: i64, times: &[i64]) -> (Vec<i64>, u64) {
        let routed = |(row, at): (usize, &i64)| {
            let at = Timestamp::from_millis(*at);
            let what = Recorded::Input(Box::new(Input::Tick { at }));
            Routed { user: UserKey::known("1"), at, row: row as u32, introduce: false, what }
        };
        let inputs = times.iter().enumerate().map(routed).collect();
        let order = Order::new(Span::from_millis(window_ms));
        let (parts, late) = order.arrange(0, inputs, &Groups::default(), 128);
        let mut items: Vec<Item> = parts.into_iter().flatten().collect();
        items.sort_by_key(|item| (item.now, item.place));
        let at = |item: &Item| item.what.input(&Defaults::default(), &mut Made::default()).at().as_millis();
        (items.iter().map(at).collect(), late)
    }

    #[test]
    fn what_comes_within_the_window_is_sorted_and_what_comes_later_is_late() {
        for (window_ms, times, sorted, late) in [
            (0, &[10, 30, 20, 40][..], &[10, 30, 20, 40][..], 1),
            (10, &[10, 30, 20, 40], &[10, 20, 30, 40], 0),
            (10, &[10, 50, 20, 45, 60], &[10, 20, 45, 50, 60], 1),
            (0, &[10, 10, 10], &[10, 10, 10], 0),
        ] {
            assert_eq!(turns(window_ms, times), (sorted.to_vec(), late), "{times:?}");
        }
    }
}
