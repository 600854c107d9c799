//! What an experiment says: how much more the users of a variant did than those of the control, how sure that is, and
//! what may be said of it today.
//!
//! ```text
//! Sample (counts and sums of a variant) ─▶ Experiment ─▶ ExperimentResult ─▶ Verdict, in words
//! ```
//!
//! Reading order:
//!
//! 1. [`sample`]: all that is needed of a variant's users. Samples are merged by addition, exactly, in any order.
//! 2. [`rates`] and [`means`]: differences with intervals and p-values for one look that was planned beforehand.
//!    [`effect`]: what both have in common, and relative lifts.
//! 3. [`sequential`]: intervals and p-values that hold however often and whenever somebody looks.
//! 4. [`bayes`]: how likely each variant is the best one, and what a wrong choice would cost.
//! 5. [`ratio_mismatch`]: whether the users were divided as declared. When not, nothing else may be read.
//! 6. [`power`]: how many users and days are needed, and what could have been found with those there are.
//! 7. [`multiple`] and [`incremental`]: many variants, and what a variant earned that would not have come anyway.
//! 8. [`experiment`] puts it together; [`verdict`] says it.
//!
//! **Invariant:** nothing here reads a clock, draws a random number or does I/O; equal samples give equal results.
//! **Invariant:** no figure is NaN. What cannot be said is [`None`].

pub mod bayes;
pub mod distributions;
pub mod effect;
pub mod experiment;
pub mod incremental;
pub mod means;
pub mod multiple;
pub mod power;
mod quadrature;
pub mod rates;
pub mod ratio_mismatch;
pub mod sample;
pub mod sequential;
pub mod verdict;

pub use effect::{Effect, Interval, Level};
pub use experiment::{Experiment, ExperimentError, ExperimentResult, Settings, Variant};
pub use sample::{Moments, Sample, SampleError};
pub use verdict::Verdict;
