//! Least squares with coefficients that are not negative.

/// Sweeps over all coefficients at most; some tens are enough where columns are told apart.
const SWEEPS: usize = 10_000;

/// A solution.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Solution {
    /// One for each column, none negative.
    pub(super) coefficients: Vec<f64>,
    /// Their standard errors; none where there are no more rows than columns, or columns depend on each other.
    pub(super) errors: Option<Vec<f64>>,
    /// Root of the mean square of what is left, over the root of the mean square of what was to be explained.
    pub(super) residual: f64,
}

/// The coefficients of these columns that leave the least of `target`: coordinate descent on the normal equations, which are
/// convex (C. L. Lawson and R. J. Hanson, Solving Least Squares Problems, 1974, chapter 23, for the problem).
pub(super) fn solve(columns: &[Vec<f64>], target: &[f64]) -> Solution {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let gram: Vec<Vec<f64>> = columns.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect();
    let right: Vec<f64> = columns.iter().map(|column| dot(column, target)).collect();
    let mut coefficients = vec![0.0; columns.len()];
    for _ in 0..SWEEPS {
        let mut moved: f64 = 0.0;
        for (i, row) in gram.iter().enumerate() {
            if row[i] <= 0.0 {
                continue;
            }
            let slope = dot(row, &coefficients) - right[i];
            let next = (coefficients[i] - slope / row[i]).max(0.0);
            moved = moved.max((next - coefficients[i]).abs());
            coefficients[i] = next;
        }
        if moved < 1e-12 {
            break;
        }
    }
    let explained = |row: usize| columns.iter().zip(&coefficients).map(|(column, c)| column[row] * c).sum::<f64>();
    let left: f64 = (0..target.len()).map(|row| (target[row] - explained(row)).powi(2)).sum();
    let whole = dot(target, target);
    let freedom = target.len().saturating_sub(columns.len());
    let errors = if freedom == 0 { None } else { inverse_diagonal(&gram) };
    let errors = errors.map(|diagonal| diagonal.iter().map(|d| (left / freedom as f64 * d).sqrt()).collect());
    Solution { errors, residual: if whole > 0.0 { (left / whole).sqrt() } else { 0.0 }, coefficients }
}

/// The diagonal of the inverse of a symmetric matrix; none where it has none to speak of.
fn inverse_diagonal(matrix: &[Vec<f64>]) -> Option<Vec<f64>> {
    let n = matrix.len();
    let mut rows: Vec<Vec<f64>> = matrix
        .iter()
        .enumerate()
        .map(|(i, row)| row.iter().copied().chain((0..n).map(|j| if i == j { 1.0 } else { 0.0 })).collect())
        .collect();
    for (i, original) in matrix.iter().enumerate() {
        let pivot = (i..n).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs()))?;
        // Of its own size nothing is left but rounding: the column is a sum of the others.
        if rows[pivot][i].abs() <= 1e-9 * original[i].abs() {
            return None;
        }
        rows.swap(i, pivot);
        let scale = rows[i][i];
        for value in &mut rows[i] {
            *value /= scale;
        }
        let own = rows[i].clone();
        for (j, row) in rows.iter_mut().enumerate() {
            let factor = row[i];
            if j != i {
                for (value, of_own) in row.iter_mut().zip(&own) {
                    *value -= factor * of_own;
                }
            }
        }
    }
    Some((0..n).map(|i| rows[i][n + i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-6
    }

    #[test]
    fn what_columns_explain_is_found_exactly() {
        // 2 * (1, 2, 3) + 0.5 * (4, 0, 2)
        let found = solve(&[vec![1.0, 2.0, 3.0], vec![4.0, 0.0, 2.0]], &[4.0, 4.0, 7.0]);
        assert!(near(found.coefficients[0], 2.0) && near(found.coefficients[1], 0.5), "{found:?}");
        assert!(near(found.residual, 0.0) && found.errors.unwrap().iter().all(|error| near(*error, 0.0)));
    }

    #[test]
    fn coefficients_are_not_negative() {
        // Without the bound the second would be -1, and the first 2. With it the first is (1*1 + 1*2) / (1 + 1).
        let found = solve(&[vec![1.0, 1.0], vec![1.0, 0.0]], &[1.0, 2.0]);
        assert!(near(found.coefficients[0], 1.5) && near(found.coefficients[1], 0.0), "{found:?}");
        assert_eq!(found.errors, None, "as many columns as rows");
    }

    #[test]
    fn errors_are_those_of_the_textbook() {
        // The mean of 1, 2, 3, 6 is 3, its standard error sqrt(14 / 3 / 4), what is left sqrt(14 / 50).
        let found = solve(&[vec![1.0; 4]], &[1.0, 2.0, 3.0, 6.0]);
        assert!(near(found.coefficients[0], 3.0) && near(found.residual, (14.0_f64 / 50.0).sqrt()), "{found:?}");
        assert!(near(found.errors.unwrap()[0], (14.0_f64 / 12.0).sqrt()));
        let same = solve(&[vec![1.0, 2.0, 3.0], vec![2.0, 4.0, 6.0]], &[1.0, 2.0, 3.1]);
        assert_eq!(same.errors, None, "nothing tells the columns apart");
        assert!(near(solve(&[vec![0.0; 3]], &[1.0, 1.0, 1.0]).coefficients[0], 0.0));
    }
}
