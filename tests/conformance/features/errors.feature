Feature: Errors

  Background:
    Given a stable provider

  Scenario Outline: The wrong type is the default, and said to be a mismatch
    Given a <requested>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<default>"
    And the reason should be "ERROR"
    And the error-code should be "TYPE_MISMATCH"
    And no exception should have been thrown

    Examples: a text
      | key         | requested | default |
      | string-flag | Integer   | 1       |
      | string-flag | Float     | 0.1     |

    Examples: a yes or no
      | key          | requested | default  |
      | boolean-flag | String    | fallback |
      | boolean-flag | Integer   | 1        |
      | boolean-flag | Float     | 0.1      |

    Examples: a number
      | key          | requested | default  |
      | integer-flag | String    | fallback |
      | integer-flag | Float     | 0.1      |

    @boolean-of-anything
    Examples: asked for as a yes or no
      | key          | requested | default |
      | string-flag  | Boolean   | false   |
      | wrong-flag   | Boolean   | false   |
      | integer-flag | Boolean   | false   |

    @float
    Examples: a fraction
      | key        | requested | default  |
      | float-flag | Boolean   | false    |
      | float-flag | String    | fallback |

    @object
    Examples: a structure
      | key         | requested | default |
      | object-flag | Boolean   | false   |

  @numeric-coercion
  Scenario: A fraction is not cut down to an integer
    Given a Integer-flag with key "float-flag" and a default value "1"
    When the flag was evaluated with details
    Then the error-code should be "TYPE_MISMATCH"

  Scenario Outline: A key that nobody knows is the default
    Given a <type>-flag with key "missing-flag" and a default value "<default>"
    When the flag was evaluated with details
    Then the resolved details value should be "<default>"
    And the reason should be "ERROR"
    And the error-code should be "FLAG_NOT_FOUND"
    And no exception should have been thrown

    Examples:
      | type    | default  |
      | Boolean | true     |
      | String  | fallback |
      | Integer | 1        |
      | Float   | 0.1      |
      | Object  | {"a": 1} |
