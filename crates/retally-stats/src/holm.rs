/// Returns the p values of a family of tests, adjusted so that the chance of any false alarm in
/// the family is at most the level; in the order of the input.
///
/// Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65–70. No assumption on how the tests
/// depend on each other.
///
/// ```
/// assert_eq!(retally_stats::holm(&[0.02, 0.01, 1.0]), [0.04, 0.03, 1.0]);
/// ```
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| p_values[*left].total_cmp(&p_values[*right]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut greatest = 0.0_f64;
    for (place, at) in order.into_iter().enumerate() {
        let more = (p_values.len() - place) as f64;
        greatest = greatest.max((p_values[at] * more).min(1.0));
        adjusted[at] = greatest;
    }
    adjusted
}
