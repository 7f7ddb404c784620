//! Reads a label selector.

use crate::fields::Reader;
use crate::objects::{Expression, Operator, Selector};
use crate::yaml::{Node, Value};

/// A selector; nothing and null are the empty one, which selects everything.
pub(super) fn read<'t>(reader: &mut Reader<'t>, node: Option<&Node<'t>>, what: &str) -> Selector {
    let Some(node) = node.filter(|node| !matches!(node.value, Value::Null)) else {
        return Selector::default();
    };
    reader.known_keys(node, what, &["matchLabels", "matchExpressions"]);
    let labels = reader.labels(node.get("matchLabels"), &format!("{what}.matchLabels"));
    let mut expressions = Vec::new();
    let list_name = format!("{what}.matchExpressions");
    for (index, item) in reader.list(node.get("matchExpressions"), &list_name).iter().enumerate() {
        expressions.extend(expression(reader, item, &format!("{list_name}[{index}]")));
    }
    Selector { labels, expressions }
}

fn expression<'t>(reader: &mut Reader<'t>, node: &Node<'t>, what: &str) -> Option<Expression> {
    reader.known_keys(node, what, &["key", "operator", "values"]);
    let key = match node.get("key") {
        Some(key) => reader.string(key, &format!("{what}.key")).filter(|key| !key.is_empty()),
        None => None,
    };
    if key.is_none() {
        reader.error(node.span, format!("{what} without key"));
    }
    let mut values = Vec::new();
    for value in reader.list(node.get("values"), &format!("{what}.values")) {
        values.extend(reader.string(value, &format!("{what}.values[]")));
    }
    let operator = match node.get("operator").map(|operator| (operator, operator.text())) {
        Some((_, Some("In"))) => Operator::In(values.clone()),
        Some((_, Some("NotIn"))) => Operator::NotIn(values.clone()),
        Some((_, Some("Exists"))) => Operator::Exists,
        Some((_, Some("DoesNotExist"))) => Operator::DoesNotExist,
        Some((operator, _)) => {
            reader.expected(
                operator,
                &format!("{what}.operator"),
                "In, NotIn, Exists or DoesNotExist",
            );
            return None;
        }
        None => {
            reader.error(node.span, format!("{what} without operator"));
            return None;
        }
    };
    match (&operator, values.is_empty()) {
        (Operator::In(_) | Operator::NotIn(_), true) => {
            reader.error(node.span, format!("{what}: In and NotIn need values"));
            None
        }
        (Operator::Exists | Operator::DoesNotExist, false) => {
            let help = "take them out, or use In or NotIn";
            let message = format!("{what}: Exists and DoesNotExist take no values");
            reader.error_with_help(node.span, message, help);
            None
        }
        _ => Some(Expression { key: key?, operator }),
    }
}
