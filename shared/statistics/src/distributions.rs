//! The distributions that figures are read from: those of `statrs`, where they are exact, and for many degrees of freedom
//! the expansions that handbooks give.

use std::f64::consts::{PI, SQRT_2};

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::{erfc, erfc_inv};
use statrs::function::gamma::{gamma_lr, gamma_ur};

/// From so many degrees of freedom on, Student's distribution is taken from its expansion about the normal one: its terms
/// that are left out are far below a float's precision there, while differences of logarithms of gamma functions are not.
const MANY_DEGREES_OF_FREEDOM: f64 = 10_000.0;

/// Probability that a standard normal variable is at most `x`.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x / SQRT_2)
}

/// Probability that a standard normal variable is more than `x`.
pub fn normal_sf(x: f64) -> f64 {
    normal_cdf(-x)
}

/// Density of the standard normal distribution.
pub fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// The value that a standard normal variable exceeds with this probability, between 0 and 1.
pub fn normal_upper_quantile(probability: f64) -> f64 {
    SQRT_2 * erfc_inv(2.0 * probability)
}

/// Probability that a variable of Student's distribution is more than `t`, which is zero or more.
pub fn student_sf(t: f64, degrees_of_freedom: f64) -> f64 {
    if degrees_of_freedom >= MANY_DEGREES_OF_FREEDOM {
        return normal_sf(normal_of_student(t, degrees_of_freedom));
    }
    match StudentsT::new(0.0, 1.0, degrees_of_freedom) {
        Ok(student) => student.sf(t),
        // Not a positive number: nothing is known of the spread.
        Err(_) => 0.5,
    }
}

/// The value that a variable of Student's distribution exceeds with this probability, which is below one half.
pub fn student_upper_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    let normal = normal_upper_quantile(probability);
    let start = student_of_normal(normal, degrees_of_freedom);
    if degrees_of_freedom >= MANY_DEGREES_OF_FREEDOM {
        return start;
    }
    // The function falls, so it is enclosed and halved: nothing can run away, whatever the degrees of freedom.
    let (mut low, mut high) = (0.0, start.max(1.0));
    while student_sf(high, degrees_of_freedom) > probability && high < f64::MAX / 4.0 {
        high *= 2.0;
    }
    while let middle = 0.5 * (low + high)
        && low < middle
        && middle < high
    {
        if student_sf(middle, degrees_of_freedom) > probability { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.5: Student's quantile by the normal one.
fn student_of_normal(x: f64, degrees_of_freedom: f64) -> f64 {
    let (n, x2) = (degrees_of_freedom, x * x);
    let first = (x2 + 1.0) * x / 4.0;
    let second = ((5.0 * x2 + 16.0) * x2 + 3.0) * x / 96.0;
    let third = (((3.0 * x2 + 19.0) * x2 + 17.0) * x2 - 15.0) * x / 384.0;
    x + (first + (second + third / n) / n) / n
}

/// Hill, Algorithm 395: Student's t-distribution, Communications of the ACM 13 (1970): the normal value that is exceeded as
/// often as `t`.
fn normal_of_student(t: f64, degrees_of_freedom: f64) -> f64 {
    let a = degrees_of_freedom - 0.5;
    let b = 48.0 * a * a;
    let z2 = a * (t * t / degrees_of_freedom).ln_1p();
    let inner = (((-0.4 * z2 - 3.3) * z2 - 24.0) * z2 - 85.5) / (0.8 * z2 * z2 + 100.0 + b);
    ((inner + z2 + 3.0) / b + 1.0) * z2.sqrt()
}

/// Probability that a chi-squared variable is more than `x`. Certain for `x` of zero or less, and without degrees of
/// freedom.
pub fn chi_squared_sf(x: f64, degrees_of_freedom: u32) -> f64 {
    if x <= 0.0 || degrees_of_freedom == 0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    gamma_ur(f64::from(degrees_of_freedom) / 2.0, x / 2.0).clamp(0.0, 1.0)
}

/// Probability that a Poisson variable of this mean is at least `count`, a whole number (Abramowitz and Stegun 1964, 26.4.21).
pub fn poisson_at_least(count: f64, mean: f64) -> f64 {
    if count <= 0.0 {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    gamma_lr(count, mean).clamp(0.0, 1.0)
}
