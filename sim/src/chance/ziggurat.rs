//! Exponential and normal variables by the ziggurat method (Marsaglia and Tsang, "The ziggurat
//! method for generating random variables", Journal of Statistical Software 5, 2000) with 256 layers
//! and 53 random bits within a layer, drawn apart from the 8 that choose it (Doornik, "An improved
//! ziggurat method to generate normal random samples", 2005).
//!
//! The area under the density is covered by 256 layers of equal area. Layer i > 0 is the rectangle
//! of width `x[i]` between the heights `f[i]` and `f[i + 1]`; layer 0 is the bottom one with the
//! tail beyond R = `x[1]`, as if it were a rectangle of width `x[0]`.
//!
//! The tables are computed by the compiler, with plain arithmetic, so they are the same everywhere.

use super::Draw;

const LAYERS: usize = 256;
const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;

struct Table {
    /// Right ends of the layers, descending, and 0 at the end.
    x: [f64; LAYERS + 1],
    /// The density at `x`.
    f: [f64; LAYERS + 1],
}

static EXPONENTIAL: Table = exponential_table();
static NORMAL: Table = normal_table();

/// Start of the tail and area of a layer, from Marsaglia and Tsang's equations for 256 layers.
const EXPONENTIAL_R: f64 = 7.697_117_470_131_05;
const EXPONENTIAL_AREA: f64 = 0.003_949_659_822_581_557;
const NORMAL_R: f64 = 3.654_152_885_361_009;
const NORMAL_AREA: f64 = 0.004_928_673_233_992_336;

/// Exponential with mean 1.
#[inline]
pub(super) fn exponential(draw: &mut Draw) -> f64 {
    let bits = draw.bits();
    let layer = (bits & 0xff) as usize;
    let x = (bits >> 11) as f64 * UNIT * EXPONENTIAL.x[layer];
    if x < EXPONENTIAL.x[layer + 1] { x } else { exponential_edge(draw, layer, x) }
}

/// The 1 in 50 that lies in the tail or at the curved end of a layer.
#[cold]
fn exponential_edge(draw: &mut Draw, mut layer: usize, mut x: f64) -> f64 {
    loop {
        if layer == 0 {
            return EXPONENTIAL_R - libm::log(draw.uniform_above_zero());
        }
        if under_curve(&EXPONENTIAL, layer, draw.uniform(), libm::exp(-x)) {
            return x;
        }
        let bits = draw.bits();
        layer = (bits & 0xff) as usize;
        x = (bits >> 11) as f64 * UNIT * EXPONENTIAL.x[layer];
        if x < EXPONENTIAL.x[layer + 1] {
            return x;
        }
    }
}

/// Normal with mean 0 and standard deviation 1.
#[inline]
pub(super) fn normal(draw: &mut Draw) -> f64 {
    let bits = draw.bits();
    let layer = (bits & 0xff) as usize;
    let x = (bits >> 11) as f64 * UNIT * NORMAL.x[layer];
    let size = if x < NORMAL.x[layer + 1] { x } else { normal_edge(draw, layer, x) };
    // The sign as a bit, since a branch would be mispredicted half of the time.
    f64::from_bits(size.to_bits() | (bits & 0x100) << 55)
}

/// As [`exponential_edge`], for the absolute value.
#[cold]
fn normal_edge(draw: &mut Draw, mut layer: usize, mut x: f64) -> f64 {
    loop {
        if layer == 0 {
            return normal_tail(draw);
        }
        if under_curve(&NORMAL, layer, draw.uniform(), libm::exp(-0.5 * x * x)) {
            return x;
        }
        let bits = draw.bits();
        layer = (bits & 0xff) as usize;
        x = (bits >> 11) as f64 * UNIT * NORMAL.x[layer];
        if x < NORMAL.x[layer + 1] {
            return x;
        }
    }
}

/// Beyond R, by Marsaglia's method of 1964: exponential candidates.
fn normal_tail(draw: &mut Draw) -> f64 {
    loop {
        let x = -libm::log(draw.uniform_above_zero()) / NORMAL_R;
        let y = -libm::log(draw.uniform_above_zero());
        if 2.0 * y > x * x {
            return NORMAL_R + x;
        }
    }
}

/// Whether the height at share `u` of the layer lies under the density.
#[inline]
fn under_curve(table: &Table, layer: usize, u: f64, density: f64) -> bool {
    let (low, high) = (table.f[layer], table.f[layer + 1]);
    low + (high - low) * u < density
}

const fn exponential_table() -> Table {
    let mut table = Table { x: [0.0; LAYERS + 1], f: [1.0; LAYERS + 1] };
    table.x[1] = EXPONENTIAL_R;
    table.f[1] = exp(-EXPONENTIAL_R);
    table.x[0] = EXPONENTIAL_AREA / table.f[1];
    table.f[0] = exp(-table.x[0]);
    let mut i = 2;
    while i < LAYERS {
        table.f[i] = table.f[i - 1] + EXPONENTIAL_AREA / table.x[i - 1];
        table.x[i] = -ln(table.f[i]);
        i += 1;
    }
    table
}

const fn normal_table() -> Table {
    let mut table = Table { x: [0.0; LAYERS + 1], f: [1.0; LAYERS + 1] };
    table.x[1] = NORMAL_R;
    table.f[1] = exp(-0.5 * NORMAL_R * NORMAL_R);
    table.x[0] = NORMAL_AREA / table.f[1];
    table.f[0] = exp(-0.5 * table.x[0] * table.x[0]);
    let mut i = 2;
    while i < LAYERS {
        table.f[i] = table.f[i - 1] + NORMAL_AREA / table.x[i - 1];
        table.x[i] = sqrt(-2.0 * ln(table.f[i]));
        i += 1;
    }
    table
}

/// e^x for -20 < x <= 0, as the 256th power of a Taylor sum.
const fn exp(x: f64) -> f64 {
    let small = x / 256.0;
    let mut sum = 1.0;
    let mut n = 18;
    while n > 0 {
        sum = 1.0 + sum * small / n as f64;
        n -= 1;
    }
    let mut squarings = 0;
    while squarings < 8 {
        sum *= sum;
        squarings += 1;
    }
    sum
}

/// Natural logarithm for 1e-6 < y <= 1, by Halley's iteration on [`exp`].
const fn ln(y: f64) -> f64 {
    let mut x = 0.0;
    let mut steps = 0;
    while steps < 12 {
        let e = exp(x);
        x += 2.0 * (y - e) / (y + e);
        steps += 1;
    }
    x
}

/// Square root for 1e-3 < y < 100, by Newton's iteration.
const fn sqrt(y: f64) -> f64 {
    let mut x = 1.0;
    let mut steps = 0;
    while steps < 20 {
        x = 0.5 * (x + y / x);
        steps += 1;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last layer closes at the top of the density: R and the area belong together. (The
    /// recurrence multiplies the rounding of R by some 10^5 on its way up.)
    #[test]
    fn layers_fill_the_area() {
        for (table, area) in [(&EXPONENTIAL, EXPONENTIAL_AREA), (&NORMAL, NORMAL_AREA)] {
            let top = table.f[LAYERS - 1] + area / table.x[LAYERS - 1];
            assert!((top - 1.0).abs() < 1e-10, "{top}");
            assert!(table.x.windows(2).all(|pair| pair[0] > pair[1]));
        }
    }

    #[test]
    fn tables_agree_with_libm() {
        for i in 0..=LAYERS {
            let x = EXPONENTIAL.x[i];
            assert!((EXPONENTIAL.f[i] / libm::exp(-x) - 1.0).abs() < 1e-12, "{i}");
            let x = NORMAL.x[i];
            assert!((NORMAL.f[i] / libm::exp(-0.5 * x * x) - 1.0).abs() < 1e-12, "{i}");
        }
    }
}
