//! The exponential function, which every burst of the twin needs twice.
//!
//! `libm`'s takes three times as long (a division, and branches for cases that do not occur here); the standard
//! library's differs between machines. This is Tang's table method ("Table-driven implementation of the exponential function
//! in IEEE floating-point arithmetic", 1989): x = (64 e + j) ln 2 / 64 + r, so exp x = 2^e · 2^(j/64) · exp r with |r| below
//! 0.0055, where five terms of the series will do. Only additions and multiplications: the same bits everywhere.

#![expect(clippy::unreadable_literal, clippy::approx_constant, reason = "numbers with all their digits, for machines")]

/// 64 / ln 2.
const STEPS: f64 = 92.33248261689366;
/// ln 2 / 64 as the sum of a number with 26 zero bits at its end, whose small multiples are exact, and a rest.
const STEP_HIGH: f64 = 0.010830424609594047;
const STEP_LOW: f64 = 8.66550983900947e-11;
/// Adding and subtracting it rounds to the nearest integer: 1.5 · 2^52.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Beyond this the result or its reciprocal is no normal number.
const LIMIT: f64 = 708.0;

/// 2^(j/64).
#[rustfmt::skip]
const POWERS: [f64; 64] = [
    1.0, 1.0108892860517005, 1.0218971486541166, 1.0330248790212284,
    1.0442737824274138, 1.0556451783605572, 1.0671404006768237, 1.0787607977571199,
    1.0905077326652577, 1.102382583307841, 1.1143867425958924, 1.1265216186082418,
    1.1387886347566916, 1.1511892299529827, 1.1637248587775775, 1.1763969916502812,
    1.189207115002721, 1.202156731452703, 1.215247359980469, 1.22848053610687,
    1.241857812073484, 1.255380757024691, 1.2690509571917332, 1.2828700160787783,
    1.2968395546510096, 1.3109612115247644, 1.3252366431597413, 1.339667524053303,
    1.3542555469368927, 1.3690024229745905, 1.383909881963832, 1.3989796725383112,
    1.4142135623730951, 1.42961333839197, 1.4451808069770467, 1.460917794180647,
    1.4768261459394993, 1.4929077282912648, 1.5091644275934228, 1.5255981507445384,
    1.5422108254079407, 1.559004400237837, 1.5759808451078865, 1.593142151342267,
    1.6104903319492543, 1.6280274218573478, 1.645755478153965, 1.6636765803267364,
    1.681792830507429, 1.7001063537185235, 1.718619298122478, 1.7373338352737062,
    1.7562521603732995, 1.7753764925265212, 1.7947090750031072, 1.8142521755003989,
    1.8340080864093424, 1.8539791250833855, 1.8741676341103, 1.8945759815869656,
    1.9152065613971474, 1.9360617934922943, 1.9571441241754002, 1.978456026387951,
];

/// e to the power of `x`. Beyond 708 on either side the result is that of 708.
#[inline]
pub(crate) fn exp(x: f64) -> f64 {
    let x = x.clamp(-LIMIT, LIMIT);
    let shifted = x * STEPS + ROUND;
    let steps = shifted - ROUND;
    // The integer stands in the low bits of the significand.
    let k = shifted.to_bits() as i32;
    let r = (x - steps * STEP_HIGH) - steps * STEP_LOW;
    let series = r + r * r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0))));
    let power = POWERS[(k & 63) as usize];
    let scale = f64::from_bits(((1023 + i64::from(k >> 6)) as u64) << 52);
    scale * (power + power * series)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Key;

    #[test]
    fn it_agrees_with_libm_to_the_last_digits() {
        let mut worst: f64 = 0.0;
        for i in 0..1_000_000 {
            let mut draw = Key::root(1).with(i).draw();
            let width = [1e-9, 1.0, 40.0, 707.0][(i % 4) as usize];
            let x = draw.between(-width, width);
            worst = worst.max((exp(x) / libm::exp(x) - 1.0).abs());
        }
        assert!(worst < 5e-16, "off by {worst:e}");
        assert_eq!(exp(0.0).to_bits(), 1.0_f64.to_bits());
        assert_eq!(exp(-1e300).to_bits(), exp(-LIMIT).to_bits());
        assert!(exp(f64::NAN).is_nan());
    }
}
