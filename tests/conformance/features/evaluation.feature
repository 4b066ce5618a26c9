Feature: Evaluation

  Background:
    Given a stable provider

  Scenario Outline: An entitlement of the licence has its value
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the error-code should be ""
    And the error message should be empty
    And no exception should have been thrown

    Examples:
      | key                | type    | default | value      |
      | boolean-flag       | Boolean | false   | true       |
      | string-flag        | String  | bye     | hi         |
      | integer-flag       | Integer | 1       | 10         |
      | large-integer-flag | Integer | 1       | 2147483647 |

    @float
    Examples:
      | key        | type  | default | value |
      | float-flag | Float | 0.1     | 0.5   |

    @large-integers
    Examples:
      | key               | type    | default | value            |
      | huge-integer-flag | Integer | 1       | 9007199254740991 |

  Scenario Outline: What the licence lacks is false, 0 or empty, and not the default
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the reason should be "STATIC"
    And the variant should be "denied"
    And the error-code should be ""
    And the error message should be empty

    Examples:
      | key               | type    | default  | value |
      | boolean-zero-flag | Boolean | true     | false |
      | integer-zero-flag | Integer | 1        | 0     |
      | string-zero-flag  | String  | fallback |       |

  Scenario Outline: A context that no rule asks for changes nothing
    Given a <type>-flag with key "<key>" and a default value "<default>"
    And a context containing a targeting key with value "somebody"
    When the flag was evaluated with details
    Then the resolved details value should be "<value>"
    And the error-code should be ""
    And no exception should have been thrown

    Examples:
      | key          | type    | default | value |
      | string-flag  | String  | bye     | hi    |
      | integer-flag | Integer | 1       | 10    |

  @targeting
  Scenario: A context that a rule asks for decides
    Given a String-flag with key "targeting-key-flag" and a default value "fallback"
    And a context containing a targeting key with value "somebody"
    When the flag was evaluated with details
    Then the resolved details value should be "hit"

  @disabled-flags
  Scenario: A flag that is disabled is the default
    Given a Boolean-flag with key "disabled-boolean-flag" and a default value "true"
    When the flag was evaluated with details
    Then the resolved details value should be "true"
    And the error-code should be ""

  @object
  Scenario: A structure
    Given a Object-flag with key "object-flag" and a default value "{}"
    When the flag was evaluated with details
    Then the error-code should be ""

  @variants
  Scenario Outline: Variants have the names of the flag set
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the variant should be "<variant>"

    Examples:
      | key          | type    | default | variant  |
      | boolean-flag | Boolean | false   | on       |
      | string-flag  | String  | bye     | greeting |

  Scenario Outline: Variants say how it was decided
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the variant should be "<variant>"

    Examples:
      | key               | type    | default | variant |
      | boolean-flag      | Boolean | false   | granted |
      | integer-flag      | Integer | 1       | granted |
      | boolean-zero-flag | Boolean | true    | denied  |
