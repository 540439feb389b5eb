//! Whether a condition holds for a request: which of the key's values are compared, and what follows when the
//! key is missing.

use super::value::Operand;
use super::{Comparison, Condition, Context, Effect, Quantifier};

impl Condition {
    /// Whether it holds.
    ///
    /// A missing key fails a positive operator and passes a negated one; `IfExists` lets it pass either way,
    /// `ForAllValues` always does, and `ForAnyValue` never. A value with a variable that this request cannot
    /// fill in matches nothing; so that it does not widen a grant, a negated operator then holds in a denial only.
    pub(super) fn holds(&self, context: &Context, with_variables: bool, effect: Effect) -> bool {
        let actual = context.get(&self.key).filter(|values| !values.is_empty());
        if self.operator.comparison == Comparison::Null {
            return self.values.iter().any(|value| value.eq_ignore_ascii_case("true") == actual.is_none());
        }
        let Some(actual) = actual else { return self.holds_without_key() };

        let read = |value| Operand::read(self.operator.comparison, value, context, with_variables);
        let operands: Vec<Operand<'_>> = self.values.iter().filter_map(|value| read(value)).collect();
        if self.operator.negated && operands.len() < self.values.len() && effect == Effect::Allow {
            return false;
        }
        let matches = |value: &String| operands.iter().any(|operand| operand.accepts(self.operator.comparison, value));
        let passes = |value: &String| matches(value) != self.operator.negated;
        match self.operator.quantifier {
            Some(Quantifier::ForAllValues) => actual.iter().all(passes),
            Some(Quantifier::ForAnyValue) => actual.iter().any(passes),
            None => actual.iter().any(matches) != self.operator.negated,
        }
    }

    fn holds_without_key(&self) -> bool {
        match self.operator.quantifier {
            Some(Quantifier::ForAllValues) => true,
            Some(Quantifier::ForAnyValue) => false,
            None => self.operator.if_exists || self.operator.negated,
        }
    }
}
