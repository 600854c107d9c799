//! All that is needed of a variant's users.

use kairos_engine::bounds::{EXPERIMENT_SQUARES_MAX, EXPERIMENT_USERS_MAX};
use kairos_engine::money::Micros;

/// Millionths in one unit of a currency.
const MICROS_PER_UNIT: f64 = 1e6;

/// Counts and sums over the users of one variant. Whole numbers throughout: samples of parts, added in any order, are the
/// sample of the whole, to the last digit.
///
/// Whoever was exposed counts once, however often they came; their value is the sum of all they bought (less what they
/// gave back), and its square is the square of that sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    users: u64,
    converted: u64,
    value_sum: i128,
    value_squares: u128,
}

/// Why numbers are no sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// More users have converted than there are.
    #[error("{converted} users converted, of {users}: count each user once, among the users too")]
    MoreConvertedThanUsers {
        /// Who converted.
        converted: u64,
        /// Who was there.
        users: u64,
    },
    /// Too many users.
    #[error("there are more than {EXPERIMENT_USERS_MAX} users")]
    TooManyUsers,
    /// The squares of the values add up to too much.
    #[error("the squares of the values add up to more than 38 digits, in millionths: give values in a larger unit")]
    TooMuchValue,
    /// No values have this sum and this sum of squares.
    #[error(
        "no {users} values have this sum and this sum of squares: the squares of what each user spent have to be added \
         up, not the squares of orders, and in the same unit"
    )]
    ImpossibleSums {
        /// How many there would be.
        users: u64,
    },
}

impl Sample {
    /// A sample from its numbers: the users who were exposed, how many of them converted, the sum of their values in
    /// millionths, and the sum of the squares of each user's value, in squared millionths.
    ///
    /// # Errors
    /// When no users could have these numbers, or they are too large to be kept exactly.
    pub fn new(users: u64, converted: u64, value_sum: i128, value_squares: u128) -> Result<Self, SampleError> {
        if users > EXPERIMENT_USERS_MAX {
            return Err(SampleError::TooManyUsers);
        }
        if converted > users {
            return Err(SampleError::MoreConvertedThanUsers { converted, users });
        }
        if value_squares > EXPERIMENT_SQUARES_MAX {
            return Err(SampleError::TooMuchValue);
        }
        let sample = Self { users, converted, value_sum, value_squares };
        let possible = if users == 0 { value_sum == 0 && value_squares == 0 } else { sample.deviation().is_some() };
        if possible { Ok(sample) } else { Err(SampleError::ImpossibleSums { users }) }
    }

    /// A sample in which nobody's value is known.
    ///
    /// # Errors
    /// As [`Sample::new`].
    pub fn of_counts(users: u64, converted: u64) -> Result<Self, SampleError> {
        Self::new(users, converted, 0, 0)
    }

    /// One user: whether they converted, and the sum of all they bought.
    pub fn of_user(converted: bool, value: Micros) -> Self {
        let value = i128::from(value.get());
        Self {
            users: 1,
            converted: converted.into(),
            value_sum: value,
            value_squares: value.unsigned_abs().pow(2), // at most 2^126, see the bound
        }
    }

    /// The users of both, who must be different ones.
    ///
    /// # Errors
    /// When there are too many of them, or their values are too large. Whether that is so does not depend on the order in
    /// which samples are merged.
    pub fn merge(self, other: Self) -> Result<Self, SampleError> {
        let users = self.users + other.users;
        if users > EXPERIMENT_USERS_MAX {
            return Err(SampleError::TooManyUsers);
        }
        let value_squares = self.value_squares + other.value_squares;
        if value_squares > EXPERIMENT_SQUARES_MAX {
            return Err(SampleError::TooMuchValue);
        }
        Ok(Self {
            users,
            converted: self.converted + other.converted,
            // By Cauchy and Schwarz at most the root of users times squares: below 10^28.
            value_sum: self.value_sum + other.value_sum,
            value_squares,
        })
    }

    /// How many users there are.
    pub fn users(&self) -> u64 {
        self.users
    }

    /// How many of them converted.
    pub fn converted(&self) -> u64 {
        self.converted
    }

    /// How many of them did not.
    pub fn not_converted(&self) -> u64 {
        self.users - self.converted
    }

    /// The sum of their values, in millionths.
    pub fn value_sum(&self) -> i128 {
        self.value_sum
    }

    /// The sum of the squares of their values, in squared millionths.
    pub fn value_squares(&self) -> u128 {
        self.value_squares
    }

    /// Whether anybody's value is other than zero.
    pub fn has_values(&self) -> bool {
        self.value_squares > 0
    }

    /// The rate of conversion, as a mean of noughts and ones with the variance p (1 − p). `None` without users.
    pub fn rate(&self) -> Option<Moments> {
        let users = self.users as f64;
        let rate = (self.users > 0).then(|| self.converted as f64 / users)?;
        let complement = self.not_converted() as f64 / users;
        Some(Moments { users, mean: rate, variance: rate * complement })
    }

    /// The value per user in units of the currency, with the unbiased variance. `None` without users; a single user has
    /// no variance, and it is said to be zero.
    pub fn value(&self) -> Option<Moments> {
        let users = self.users as f64;
        let mean = (self.users > 0).then(|| self.value_sum as f64 / users / MICROS_PER_UNIT)?;
        let deviation = self.deviation().expect("sums were looked at when the sample was made");
        let variance = if self.users > 1 { deviation / (users - 1.0) / MICROS_PER_UNIT / MICROS_PER_UNIT } else { 0.0 };
        Some(Moments { users, mean, variance })
    }

    /// The sum of squared deviations from the mean, in squared millionths, for at least one user. `None` when no values
    /// have these sums.
    ///
    /// With the sum S = q n + r (0 ≤ r < n), the squared deviations from the whole number q add up to D = Σx² − q (S + r),
    /// which is exact, and those from the mean to D − r²/n. So nothing is lost where values are large and alike, as it
    /// would be in Σx² − S²/n with floats.
    fn deviation(&self) -> Option<f64> {
        let users = i128::from(self.users);
        let (quotient, remainder) = (self.value_sum.div_euclid(users), self.value_sum.rem_euclid(users));
        let squares = i128::try_from(self.value_squares).ok()?;
        let from_quotient = squares.checked_sub(quotient.checked_mul(self.value_sum.checked_add(remainder)?)?)?;
        match from_quotient.checked_mul(users) {
            Some(scaled) => {
                let scaled = scaled.checked_sub(remainder * remainder)?;
                (scaled >= 0).then(|| scaled as f64 / users as f64)
            }
            // So large that the remainder's part, which is less than the number of users, vanishes beside it.
            None => (from_quotient > 0).then_some(from_quotient as f64),
        }
    }
}

/// A mean over users, and how much they differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// How many users.
    pub users: f64,
    /// Their mean.
    pub mean: f64,
    /// The variance of one user's value; zero or more.
    pub variance: f64,
}

impl Moments {
    /// The variance of the mean.
    pub fn variance_of_mean(&self) -> f64 {
        self.variance / self.users
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_users_have_are_refused() {
        for (users, converted, sum, squares, wrong) in [
            (1, 2, 0, 0, SampleError::MoreConvertedThanUsers { converted: 2, users: 1 }),
            (0, 0, 1, 1, SampleError::ImpossibleSums { users: 0 }),
            (2, 0, 10, 49, SampleError::ImpossibleSums { users: 2 }),
            (3, 0, 1, 0, SampleError::ImpossibleSums { users: 3 }),
            (1, 1, i128::MAX, 1, SampleError::ImpossibleSums { users: 1 }),
            (1, 1, i128::MIN, EXPERIMENT_SQUARES_MAX, SampleError::ImpossibleSums { users: 1 }),
            (EXPERIMENT_USERS_MAX + 1, 0, 0, 0, SampleError::TooManyUsers),
            (9, 9, 0, EXPERIMENT_SQUARES_MAX + 1, SampleError::TooMuchValue),
        ] {
            assert_eq!(Sample::new(users, converted, sum, squares), Err(wrong));
        }
        assert!(Sample::new(2, 0, 10, 50).is_ok(), "five and five");
        assert!(Sample::new(EXPERIMENT_USERS_MAX, 0, 0, EXPERIMENT_SQUARES_MAX).is_ok());
    }

    #[test]
    fn variance_is_exact_where_floats_would_lose_it() {
        // A million users who each spent 12,345.678901 or a millionth more.
        let low = 12_345_678_901_i128;
        let squares = |value: i128| value.unsigned_abs().pow(2);
        let half = 500_000_u64;
        let sum = i128::from(half) * (low + low + 1);
        let sample = Sample::new(2 * half, 0, sum, u128::from(half) * (squares(low) + squares(low + 1))).unwrap();
        let n = 2.0 * half as f64;
        let expected = 0.25e-12 * n / (n - 1.0);
        assert!((sample.value().unwrap().variance / expected - 1.0).abs() < 1e-12);
        let equal = Sample::new(7, 7, 7 * low, 7 * squares(low)).unwrap().value().unwrap();
        assert_eq!((equal.mean, equal.variance), (12_345.678_901, 0.0));
        let alone = Sample::of_user(true, Micros::new(-5_000_000)).value().unwrap();
        assert_eq!((alone.users, alone.mean, alone.variance), (1.0, -5.0, 0.0));
    }

    #[test]
    fn nobody_has_neither_rate_nor_value() {
        assert_eq!((Sample::default().rate(), Sample::default().value()), (None, None));
    }
}
