"""The legacy actions: one function for each, registered here by name.

An action takes a Call and returns an Answer, or raises a ProblemError, which becomes the dialect's
word in endpoint.py.
"""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.endpoint.actions import catalogue, lists, numbers, prices, statuses
from proxy.endpoint.actions.call import Action, Call, Client

ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "cancelActivation": statuses.cancel_activation,
        "finishActivation": statuses.finish_activation,
        "getActiveActivations": lists.get_active_activations,
        "getAllSms": statuses.get_all_sms,
        "getBalance": prices.get_balance,
        "getBalanceAndCashBack": prices.get_balance,
        "getCountries": catalogue.get_countries,
        "getFullSms": statuses.get_full_sms,
        "getHistory": lists.get_history,
        "getListOfTopCountriesByService": prices.get_list_of_top_countries,
        "getNumber": numbers.get_number,
        "getNumberV2": numbers.get_number_v2,
        "getNumbersStatus": prices.get_numbers_status,
        "getOperators": catalogue.get_operators,
        "getPrices": prices.get_prices,
        "getPricesExtended": prices.get_prices,
        "getPricesV2": prices.get_prices_v2,
        "getPricesV3": prices.get_prices_v3,
        "getPricesVerification": prices.get_prices_verification,
        "getServices": catalogue.get_services,
        "getServicesList": catalogue.get_services,
        "getStatus": statuses.get_status,
        "getStatusV2": statuses.get_status_v2,
        "getTopCountriesByService": prices.get_top_countries,
        "getTopCountriesByServiceRank": prices.get_top_countries,
        "setStatus": statuses.set_status,
        "swapNumber": numbers.swap_number,
    }
)

__all__ = ["ACTIONS", "Action", "Call", "Client"]
