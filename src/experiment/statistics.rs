//! What a few sums and a histogram say of many connections.

use statrs::distribution::{ContinuousCDF, StudentsT};
use tcpc_stdlib::manifest::state::{HISTOGRAM_BUCKETS, OUTCOME_NUMBERS};

/// Connections of an arm below which nothing is concluded.
pub const ENOUGH: u64 = 30;
/// The probability that an interval holds the true difference.
pub const CONFIDENCE: f64 = 0.95;

/// What was measured of the connections of one arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// How many connections.
    pub count: u64,
    sum: u64,
    squares: u128,
    buckets: Vec<u64>,
}

impl Sample {
    /// Reads the numbers that a program keeps; `None` if they are not as many.
    pub fn new(numbers: &[u64]) -> Option<Sample> {
        let [count, sum, low, high, ref buckets @ ..] = *numbers else { return None };
        (numbers.len() == OUTCOME_NUMBERS as usize).then(|| Sample {
            count,
            sum,
            squares: (u128::from(high) << 32) + u128::from(low),
            buckets: buckets.to_vec(),
        })
    }

    /// The mean; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The variance that the sample estimates; `None` of less than two. In whole numbers up to the division: the
    /// squares are large and their difference is small.
    pub fn variance(&self) -> Option<f64> {
        let count = u128::from(self.count);
        let spread = (self.squares.checked_mul(count)?).saturating_sub(u128::from(self.sum).pow(2));
        (self.count > 1).then(|| spread as f64 / (count as f64 * (count as f64 - 1.0)))
    }

    /// The value below which this share of the measurements lies, as exact as a histogram of powers of two can say
    /// it: within its bucket they are taken to be spread evenly.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let total: u64 = self.buckets.iter().sum();
        if total == 0 {
            return None;
        }
        let wanted = share * total as f64;
        let mut below = 0.0;
        for (index, count) in (0u32..).zip(&self.buckets) {
            let next = below + *count as f64;
            if *count > 0 && next >= wanted {
                let (low, high) = bucket(index);
                return Some(low + (high - low) * ((wanted - below) / *count as f64).clamp(0.0, 1.0));
            }
            below = next;
        }
        None
    }
}

/// The values that a bucket counts, the upper end not included.
fn bucket(index: u32) -> (f64, f64) {
    match index {
        0 => (0.0, 0.0),
        index => (2f64.powi(index.min(HISTOGRAM_BUCKETS) as i32 - 1), 2f64.powi(index as i32)),
    }
}

/// How much larger a mean is than another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The difference of the means.
    pub estimate: f64,
    /// The lower end of the interval of [`CONFIDENCE`].
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Difference {
    /// Whether the interval leaves out 0.
    pub fn is_clear(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The difference of two means after Welch: the arms need neither be of one size nor vary alike. `None` if there is too
/// little to tell.
pub fn difference(base: &Sample, other: &Sample) -> Option<Difference> {
    if base.count < ENOUGH || other.count < ENOUGH {
        return None;
    }
    let estimate = other.mean()? - base.mean()?;
    let share = |sample: &Sample| Some(sample.variance()? / sample.count as f64);
    let (a, b) = (share(base)?, share(other)?);
    if a + b == 0.0 {
        return Some(Difference { estimate, low: estimate, high: estimate });
    }
    let freedom =
        (a + b).powi(2) / (a.powi(2) / (base.count as f64 - 1.0) + b.powi(2) / (other.count as f64 - 1.0));
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let half = student.inverse_cdf(0.5 + CONFIDENCE / 2.0) * (a + b).sqrt();
    Some(Difference { estimate, low: estimate - half, high: estimate + half })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn sample(values: impl IntoIterator<Item = u64>) -> Sample {
        let mut numbers = vec![0u64; OUTCOME_NUMBERS as usize];
        for value in values {
            numbers[0] += 1;
            numbers[1] += value;
            numbers[2] += (value * value) & 0xffff_ffff;
            numbers[3] += (value * value) >> 32;
            numbers[4 + (64 - value.leading_zeros()).min(63) as usize] += 1;
        }
        Sample::new(&numbers).unwrap()
    }

    #[test]
    fn means_and_variances_are_those_of_the_values() {
        let few = sample([2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!(few.mean(), Some(5.0));
        assert!((few.variance().unwrap() - 32.0 / 7.0).abs() < 1e-9);
        let large = sample([4_000_000_000, 4_000_000_002]);
        assert_eq!((large.mean(), large.variance()), (Some(4_000_000_001.0), Some(2.0)));
        assert_eq!((sample([]).mean(), sample([3]).variance()), (None, None));
        assert_eq!(Sample::new(&[1, 2, 3]), None);
    }

    #[test]
    fn quantiles_lie_in_the_bucket_of_the_true_one() {
        let even = sample(1..=1000);
        for (share, truth) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0)] {
            let found = even.quantile(share).unwrap();
            assert!((found - truth).abs() < truth * 0.1, "{share}: {found}");
        }
        assert_eq!(sample([0, 0, 0]).quantile(0.5), Some(0.0));
        assert_eq!(sample([]).quantile(0.5), None);
    }

    /// Standard error and degrees of freedom were computed by hand, the quantile is that of printed tables.
    #[test]
    fn an_interval_is_that_of_welch() {
        let base = sample((0..40).map(|index| 100 + index % 5));
        let other = sample((0..60).map(|index| 103 + index % 7));
        let found = difference(&base, &other).unwrap();
        let estimate = other.mean().unwrap() - base.mean().unwrap();
        assert!((found.estimate - estimate).abs() < 1e-9);
        let half = (found.high - found.low) / 2.0;
        let (a, b) = (base.variance().unwrap() / 40.0, other.variance().unwrap() / 60.0);
        assert!((half / (a + b).sqrt() - 1.984).abs() < 2e-3, "{}", half / (a + b).sqrt());
        assert!(found.is_clear());
    }

    #[test]
    fn few_connections_and_equal_ones_say_little() {
        assert_eq!(difference(&sample([1; 29]), &sample([2; 100])), None);
        let same = difference(&sample([7; 40]), &sample([7; 40])).unwrap();
        assert_eq!((same.estimate, same.is_clear()), (0.0, false));
        let noisy =
            difference(&sample((0..50).map(|n| n * 37 % 100)), &sample((0..50).map(|n| n * 41 % 100)));
        assert!(!noisy.unwrap().is_clear());
    }
}
