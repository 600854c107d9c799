use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use futures_util::FutureExt;
use kairos_engine::bounds::FIGURES_OBJECTS_MAX;

use super::*;

/// Figures and objects, with a time that stands still. Of so many writes one fails: before or after it has happened.
pub(crate) struct World {
    pub(crate) figures: RefCell<BTreeMap<Period, Figures>>,
    pub(crate) objects: RefCell<BTreeMap<String, Object>>,
    pub(crate) now: Timestamp,
    pub(crate) random: Cell<u64>,
    pub(crate) one_fails_in: Option<u64>,
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    // Nothing of it waits.
    future.now_or_never().unwrap()
}

impl World {
    pub(crate) fn at(now: &str) -> Self {
        Self {
            figures: RefCell::default(),
            objects: RefCell::default(),
            now: time(now),
            random: Cell::new(7),
            one_fails_in: None,
        }
    }

    fn draw(&self, below: u64) -> u64 {
        let random = self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random.set(random);
        (random >> 33) % below
    }

    fn write(&self, at: &str, number: usize, rows: usize) -> String {
        let name = format!("{}/{number:040}.ndjson.gz", partition(time(at)));
        let rows = (0..rows).map(|row| row_of(number * 100 + row)).collect();
        let object = Object { name: name.clone(), last: number.to_string(), rows, erased: 0 };
        self.objects.borrow_mut().insert(name.clone(), object);
        name
    }

    fn counts(&self, name: &str) -> Counts {
        counts_of(&self.objects.borrow()[name].rows)
    }

    fn add(&self, name: &str) -> Result<Added, Fault> {
        run(add(self, self, name, &self.counts(name)))
    }

    fn check(&self, at: &str) -> DayCheck {
        run(roll_up_and_check(self, self, self, time(at))).unwrap()
    }

    fn sum(&self, from: &str, to: &str) -> (Vec<String>, u64) {
        let found = run(between(self, time(from), time(to))).unwrap();
        let rows = found.iter().map(|(_, counts)| counts.rows).sum();
        (found.into_iter().map(|(period, _)| period.to_string()).collect(), rows)
    }
}

fn row_of(number: usize) -> String {
    format!(
        "{{\"v\":1,\"user\":\"b0ef816fba77ce56550677ab615e8e6e\",\"revision\":{number},\"number\":0,\"fact\":\"segment\",\
         \"at\":1763942400005,\"segment\":\"segment_{}\",\"entered\":true}}\n",
        number % 7
    )
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn sleep_until(&self, _: Timestamp) {}
}

impl FiguresStore for World {
    async fn load(&self, period: Period) -> Result<Option<Figures>, Fault> {
        Ok(self.figures.borrow().get(&period).cloned())
    }

    async fn load_between(&self, from: Period, to: Timestamp) -> Result<Vec<(Period, Figures)>, Fault> {
        let figures = self.figures.borrow();
        let among = |period: &Period| period.kind() == from.kind() && *period >= from && period.start() < to;
        Ok(figures.iter().filter(|(period, _)| among(period)).map(|(period, one)| (*period, one.clone())).collect())
    }

    async fn save(&self, period: Period, figures: &Figures, expected_revision: Option<u64>) -> Result<bool, Fault> {
        let fails = self.one_fails_in.is_some_and(|one_in| self.draw(one_in) == 0);
        let fault = || Fault::Retryable { what: "save", why: "the network is gone".into() };
        if fails && self.draw(2) == 0 {
            return Err(fault());
        }
        let mut all = self.figures.borrow_mut();
        if all.get(&period).map(|there| there.revision) != expected_revision {
            return Ok(false);
        }
        all.insert(period, figures.clone());
        if fails { Err(fault()) } else { Ok(true) }
    }

    async fn forget(&self, day: Period) -> Result<(), Fault> {
        self.figures.borrow_mut().remove(&day);
        Ok(())
    }
}

impl ArchivedObjects for World {
    async fn all_names(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        Ok(self.objects.borrow().keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    async fn read(&self, name: &str) -> Result<Object, Fault> {
        Ok(self.objects.borrow()[name].clone())
    }
}

#[test]
fn an_object_counts_once_whatever_fails_and_however_often_it_comes() {
    for seed in 0..200 {
        let world = World { one_fails_in: Some(3), random: Cell::new(seed), ..World::at("2026-11-22T14:00:00Z") };
        let names: Vec<String> = (0..20).map(|number| world.write("2026-11-22T13:00:00Z", number, number)).collect();
        for _ in 0..4 {
            for _ in 0..names.len() {
                // Any of them, in any order; what failed comes again.
                let _ = world.add(&names[world.draw(20) as usize]);
            }
        }
        let world = World { one_fails_in: None, ..world };
        for name in &names {
            world.add(name).unwrap();
        }
        let figures = run(world.load(Period::hour(time("2026-11-22T13:00:00Z")))).unwrap().unwrap();
        let mut all = Counts::default();
        names.iter().for_each(|name| all.add(&world.counts(name)));
        assert_eq!((figures.counts, figures.objects.len()), (all, 20), "seed {seed}");
    }
}

#[test]
fn a_day_is_counted_again_mended_and_summed_up() {
    let world = World::at("2026-11-23T03:00:00Z");
    let counted = [
        world.write("2026-11-22T13:00:00Z", 1, 3),
        world.write("2026-11-22T13:10:00Z", 2, 4),
        world.write("2026-11-22T20:00:00Z", 3, 5),
    ];
    counted.iter().for_each(|name| assert_eq!(world.add(name).unwrap(), Added::Now));
    let check = world.check("2026-11-22T00:00:00Z");
    assert_eq!(check, DayCheck { hours: 2, objects: 3, rows: 12, ..DayCheck::default() });
    assert_eq!(world.sum("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"), (vec!["2026-11-22".to_owned()], 12));

    // One was written, and its counting died.
    let missed = world.write("2026-11-22T20:10:00Z", 4, 6);
    let late = Period::hour(time("2026-11-22T20:00:00Z"));
    let check = world.check("2026-11-22T12:00:00Z");
    let expected = DayCheck { hours: 2, objects: 4, rows: 18, missed: 1, mended: 1, ..DayCheck::default() };
    assert_eq!(check, DayCheck { differing: vec![late], ..expected });
    assert_eq!(world.add(&missed).unwrap(), Added::Before);
    // That has forgotten the day: nobody knows whether it was made with it.
    let hours = vec!["2026-11-22T13".to_owned(), "2026-11-22T20".to_owned()];
    assert_eq!(world.sum("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"), (hours, 18));
    assert_eq!(world.check("2026-11-22T12:00:00Z").differing, []);
    assert_eq!(world.sum("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"), (vec!["2026-11-22".to_owned()], 18));

    // Figures that are wrong for whatever reason.
    world.figures.borrow_mut().get_mut(&late).unwrap().counts.rows = 7;
    let check = world.check("2026-11-22T12:00:00Z");
    assert_eq!((check.differing.as_slice(), check.mended, check.missed), ([late].as_slice(), 1, 0));
    assert_eq!(world.sum("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z").1, 18);
}

#[test]
fn who_is_erased_stays_counted() {
    let world = World::at("2026-11-23T03:00:00Z");
    let name = world.write("2026-11-22T13:00:00Z", 1, 3);
    world.add(&name).unwrap();
    {
        let mut objects = world.objects.borrow_mut();
        let object = objects.get_mut(&name).unwrap();
        (object.rows, object.erased) = (row_of(1), 2);
    }
    let missed = world.write("2026-11-22T13:30:00Z", 2, 5);
    let check = world.check("2026-11-22T00:00:00Z");
    assert_eq!((check.with_erased, check.missed, check.mended), (1, 1, 1));
    assert_eq!(world.sum("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z").1, 3 + 5);
    assert_eq!(world.add(&missed).unwrap(), Added::Before);
    assert_eq!(world.check("2026-11-22T00:00:00Z").differing, []);
}

#[test]
fn a_day_is_recounted_when_it_is_over_and_its_hours_are_kept() {
    let world = World::at("2026-11-23T00:59:59Z");
    for (day, what) in [("2026-11-22T00:00:00Z", "not over"), ("2026-08-01T00:00:00Z", "no longer kept")] {
        let fault = run(roll_up_and_check(&world, &world, &world, time(day))).unwrap_err();
        assert!(fault.to_string().contains(what), "{fault}");
    }
    assert_eq!(world.check("2026-11-21T00:00:00Z"), DayCheck::default());
}

#[test]
fn a_time_is_made_of_whole_days_where_they_are_made_and_of_hours_elsewhere() {
    let world = World::at("2026-11-25T05:00:00Z");
    for (number, day) in (20..=25).enumerate() {
        for hour in [1, 12, 23] {
            let at = format!("2026-11-{day}T{hour:02}:00:00Z");
            if time(&at) < world.now {
                world.add(&world.write(&at, number * 24 + hour, 1)).unwrap();
            }
        }
    }
    // Of the 22nd nobody has made one.
    for day in ["2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z"] {
        world.check(day);
    }
    let (periods, rows) = world.sum("2026-11-20T12:30:00Z", "2026-11-24T12:00:00Z");
    let expected = [
        "2026-11-20T12",
        "2026-11-20T23",
        "2026-11-21",
        "2026-11-22T01",
        "2026-11-22T12",
        "2026-11-22T23",
        "2026-11-23",
        "2026-11-24T01",
    ];
    assert_eq!((periods.as_slice(), rows), (expected.map(str::to_owned).as_slice(), 2 + 3 + 3 + 3 + 1));
    // A part of one day, and of one hour.
    assert_eq!(world.sum("2026-11-21T02:00:00Z", "2026-11-21T22:00:00Z").0, ["2026-11-21T12"]);
    assert_eq!(world.sum("2026-11-25T01:10:00Z", "2026-11-25T01:20:00Z").0, ["2026-11-25T01"]);
    assert_eq!(world.sum("2026-11-25T02:00:00Z", "2026-11-25T02:00:00Z").0, Vec::<String>::new());
}

#[test]
fn an_hour_that_is_full_says_so_and_stays_as_it_is() {
    let world = World::at("2026-11-23T03:00:00Z");
    let names: Vec<String> = (0..FIGURES_OBJECTS_MAX).map(|number| number.to_string()).collect();
    let full = Figures { objects: names.iter().map(String::as_str).collect(), revision: 1, ..Figures::default() };
    world.figures.borrow_mut().insert(Period::hour(time("2026-11-22T13:00:00Z")), full);
    let name = world.write("2026-11-22T13:00:00Z", 1, 3);
    assert_eq!(world.add(&name).unwrap(), Added::Full);
}
