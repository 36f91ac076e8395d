//! What a wrong query is told, and where the mistake is.

use sim::promql::Query;

/// The messages of some queries, one a line.
fn refused(queries: &[&str]) -> String {
    let message = |query: &&str| match Query::parse(query) {
        Ok(_) => format!("{query:<44} is accepted\n"),
        Err(error) => format!("{query:<44} {error}\n"),
    };
    queries.iter().map(message).collect()
}

#[test]
fn syntax_errors_name_the_token() {
    let found = refused(&[
        "",
        "  # only a comment",
        "sum(",
        "sum(up",
        "up)",
        "up up",
        "up{",
        "up{job",
        "up{job=}",
        "up{job=~'a'",
        "up{job='a' x}",
        "up{job=='a'}",
        "rate(up[5m)",
        "rate(up[])",
        "up[5x]",
        "up[0s]",
        "up offset",
        "up @",
        "1 +",
        "1 + * 2",
        "up $ 2",
        "up{job='a",
        "sum by job (up)",
        "sum by (job up)",
        "up[1000000000y]",
        "up offset inf",
        "rate(up[5m],)",
        "foo and on bar",
        "up = 1",
        "up =~ 'a'",
        "up{job='a'}\n  and sum(up) by job",
        "0x",
        "1.2.3",
        "bool",
        "up[5m:",
    ]);
    insta::assert_snapshot!(found, @r###"
                                                 1:1: parse error: no expression found in input
      # only a comment                           1:1: parse error: no expression found in input
    sum(                                         1:5: parse error: unexpected end of input, expected an expression
    sum(up                                       1:7: parse error: unexpected end of input, expected "," or ")"
    up)                                          1:3: parse error: unexpected ")", expected an operator or the end of the query
    up up                                        1:4: parse error: unexpected identifier "up", expected an operator or the end of the query
    up{                                          1:4: parse error: unexpected end of input, expected a label name or "}"
    up{job                                       1:7: parse error: unexpected end of input, expected a label matching operator
    up{job=}                                     1:8: parse error: unexpected "}", expected a string in label matching
    up{job=~'a'                                  1:12: parse error: unexpected end of input, expected "," or "}" in label matching
    up{job='a' x}                                1:12: parse error: unexpected identifier "x", expected "," or "}" in label matching
    up{job=='a'}                                 1:7: parse error: unexpected "==", expected a label matching operator
    rate(up[5m)                                  1:11: parse error: unexpected ")", expected "]"
    rate(up[])                                   1:9: parse error: unexpected "]", expected a duration such as 5m
    up[5x]                                       1:4: parse error: not a valid duration string: "5x"
    up[0s]                                       1:4: parse error: duration must be greater than 0: "0s"
    up offset                                    1:10: parse error: unexpected end of input, expected a duration such as 5m
    up @                                         1:5: parse error: unexpected end of input, expected a time in seconds, start() or end()
    1 +                                          1:4: parse error: unexpected end of input, expected an expression
    1 + * 2                                      1:5: parse error: unexpected "*", expected an expression
    up $ 2                                       1:4: parse error: unexpected character: '$'
    up{job='a                                    1:8: parse error: unterminated quoted string
    sum by job (up)                              1:8: parse error: unexpected identifier "job", expected "("
    sum by (job up)                              1:13: parse error: unexpected identifier "up", expected "," or ")" in grouping labels
    up[1000000000y]                              1:4: parse error: duration out of range: "1000000000y"
    up offset inf                                1:11: parse error: unexpected identifier "inf", expected a duration such as 5m
    rate(up[5m],)                                1:13: parse error: unexpected ")", expected an expression
    foo and on bar                               1:12: parse error: unexpected identifier "bar", expected "("
    up = 1                                       1:4: parse error: unexpected "=", expected an operator or the end of the query
    up =~ 'a'                                    1:4: parse error: unexpected "=~", expected an operator or the end of the query
    up{job='a'}
      and sum(up) by job             2:18: parse error: unexpected identifier "job", expected "("
    0x                                           1:1: parse error: bad number or duration syntax: "0x"
    1.2.3                                        1:1: parse error: bad number or duration syntax: "1.2.3"
    bool                                         1:1: parse error: unexpected identifier "bool", expected an expression
    up[5m:                                       1:7: parse error: unexpected end of input, expected a duration such as 5m
    "###);
}

#[test]
fn type_errors_name_the_operand() {
    let found = refused(&[
        "rate(up)",
        "up + rate(up)",
        "sum(1)",
        "sum(up[5m])",
        "topk(up, up)",
        "1 > 2",
        "up + (1 > 2)",
        "up and 1",
        "up + up[5m]",
        "up[5m] + 1",
        "-'a'",
        "'a' + 1",
        "foo(up)",
        "rate(up[5m], 1)",
        "rate()",
        "clamp(up, up, 1)",
        "histogram_quantile(up, up)",
        "up + bool up",
        "up + on(a) group_left(a) up",
        "{}",
        "{job=~'.*'}",
        "up{job=~'('}",
        "up{__name__='a'}",
        "sum(up)[5m]",
        "1[5m:]",
        "up offset 5m offset 1m",
        "count_values(1, up)",
        "vector(up)",
        "sum(up) + sum(rate(up)) * 3",
        "1 == 1",
        "up and on(a) group_left up",
        "sort(1)",
        "absent(up[5m])",
    ]);
    insta::assert_snapshot!(found, @r###"
    rate(up)                                     1:6: parse error: expected type range vector in call to function "rate", got instant vector
    up + rate(up)                                1:11: parse error: expected type range vector in call to function "rate", got instant vector
    sum(1)                                       1:5: parse error: expected type instant vector in aggregation expression, got scalar
    sum(up[5m])                                  1:5: parse error: expected type instant vector in aggregation expression, got range vector
    topk(up, up)                                 1:1: parse error: expected type scalar in aggregation expression, got instant vector
    1 > 2                                        1:3: parse error: comparisons between scalars must use BOOL modifier
    up + (1 > 2)                                 1:9: parse error: comparisons between scalars must use BOOL modifier
    up and 1                                     1:4: parse error: set operator "and" not allowed in binary scalar expression
    up + up[5m]                                  1:4: parse error: binary expression must contain only scalar and instant vector types
    up[5m] + 1                                   1:8: parse error: binary expression must contain only scalar and instant vector types
    -'a'                                         1:1: parse error: unary expression only allowed on expressions of type scalar or vector, got: string
    'a' + 1                                      1:5: parse error: binary expression must contain only scalar and instant vector types
    foo(up)                                      1:1: parse error: unknown function with name "foo"
    rate(up[5m], 1)                              1:1: parse error: expected 1 argument(s) in call to "rate", got 2
    rate()                                       1:1: parse error: expected 1 argument(s) in call to "rate", got 0
    clamp(up, up, 1)                             1:1: parse error: expected type scalar in call to function "clamp", got instant vector
    histogram_quantile(up, up)                   1:1: parse error: expected type scalar in call to function "histogram_quantile", got instant vector
    up + bool up                                 1:4: parse error: bool modifier can only be used on comparison operators
    up + on(a) group_left(a) up                  1:4: parse error: label "a" must not occur in ON and GROUP clause at once
    {}                                           1:1: parse error: vector selector must contain at least one non-empty matcher
    {job=~'.*'}                                  1:1: parse error: vector selector must contain at least one non-empty matcher
    up{job=~'('}                                 1:1: parse error: illegal regex for (
    up{__name__='a'}                             1:1: parse error: metric name must not be set twice: "up" or "a"
    sum(up)[5m]                                  1:1: parse error: ranges only allowed for vector selectors
    1[5m:]                                       1:1: parse error: subquery is only allowed on instant vector, got scalar instead
    up offset 5m offset 1m                       1:1: parse error: offset may not be set multiple times
    count_values(1, up)                          1:14: parse error: expected type string in aggregation expression, got scalar
    vector(up)                                   1:8: parse error: expected type scalar in call to function "vector", got instant vector
    sum(up) + sum(rate(up)) * 3                  1:15: parse error: expected type range vector in call to function "rate", got instant vector
    1 == 1                                       1:3: parse error: comparisons between scalars must use BOOL modifier
    up and on(a) group_left up                   1:4: parse error: no grouping allowed for "and" operation
    sort(1)                                      1:6: parse error: expected type instant vector in call to function "sort", got scalar
    absent(up[5m])                               1:8: parse error: expected type instant vector in call to function "absent", got range vector
    "###);
}

#[test]
fn what_is_not_supported_is_said_where_it_stands() {
    let found = refused(&[
        "histogram_sum(up)",
        "1 + histogram_sum(up)",
        "sum(up) / sum(limitk(2, up))",
        "up + fill(0) up",
        "up{a='b' or c='d'}",
        "double_exponential_smoothing(up[5m], 0.5, 0.5)",
        "holt_winters(up[5m], 0.5, 0.5)",
        "sum by (info) (info(up))",
        "avg(rate(up[5m]))\n  + histogram_count(up)",
        "limit_ratio(0.5, up)",
    ]);
    insta::assert_snapshot!(found, @r###"
    histogram_sum(up)                            1:1: the function histogram_sum() is not supported
    1 + histogram_sum(up)                        1:5: the function histogram_sum() is not supported
    sum(up) / sum(limitk(2, up))                 1:15: the aggregation limitk is not supported
    up + fill(0) up                              1:4: the `fill` modifier is not supported
    up{a='b' or c='d'}                           1:1: `or` between label matchers is not supported
    double_exponential_smoothing(up[5m], 0.5, 0.5) 1:1: the function double_exponential_smoothing() is not supported
    holt_winters(up[5m], 0.5, 0.5)               1:1: parse error: unknown function with name "holt_winters"
    sum by (info) (info(up))                     1:16: the function info() is not supported
    avg(rate(up[5m]))
      + histogram_count(up)    2:5: the function histogram_count() is not supported
    limit_ratio(0.5, up)                         1:1: the aggregation limit_ratio is not supported
    "###);
}
