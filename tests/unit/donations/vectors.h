/* Made with node:crypto, so that our own two sides cannot agree on a mistake. The keys are used nowhere else. */
#ifndef TESTS_UNIT_DONATIONS_VECTORS_H
#define TESTS_UNIT_DONATIONS_VECTORS_H

#define VECTOR_MERCHANT_KEY                                                                                            \
	"-----BEGIN PRIVATE KEY-----\n"                                                                                \
	"MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCI447JkcuPlr9u\n"                                           \
	"nwpOJqKrJoEUmw2i72EqbmpfopzEGWJdY+TIyFqSa58HU6cQx0cE15G8xPJO00it\n"                                           \
	"txZML6E5rbgOqLYn/6AtWwWL5UOu3S/yahS8TwYtU/8+9+zEv/k0aJ9Cu/6DqzLz\n"                                           \
	"Ty9JSCVsqRoNn/Ve6IdiRy9W2wGNM//FV4WPZzbi1172REk0arfH0WWbDyxq+dDt\n"                                           \
	"5O+wbu+5EkzConCG4qOYz1OJ5BD2fij0w12VsTXPaXbO15SpCgtcWrWE1/lgYlZn\n"                                           \
	"RqCfgcTl64er6IOWfeqoaC43x8sj93+3cuYvepNXyqKyMFlFY0NHTurqvBVifEfN\n"                                           \
	"cq0UimODAgMBAAECggEAERZ++5CUnZ8O1ItL6QePpNfQozbb0+wX8AkKhFezRBN7\n"                                           \
	"IPdYVuwTylVe67Y4k7KcnfEfAzZ+nPJpDy5cvTPw51dVM5dB7epOH3tOTPFYqpp3\n"                                           \
	"4sX1QrCGr9/dbAnc546jWDR7NQRsuBkF6jOHTpmP+ml9lBfUtH1IcS87rJb4MZ0O\n"                                           \
	"YJXTfbBZwd06f25KH6vTnoTnU8LDfh5ncWiwP7lYQ8OIOLTyWUwbMpYLbdHCZ9Z+\n"                                           \
	"UXQkQfBocGJSM+/SDWoIddsnOZIbwy+CK2k2I7/lYjx7wWNw84y1UK9/uDtNUgnZ\n"                                           \
	"N4j+upPTeQCtgiXKDSLPBImy9N33X4TER/TdvWmAKQKBgQC+9sgJlwUNmGX/LtsH\n"                                           \
	"KJVUxTxSOhcn2hJLByxuofSv7so0A9iGKQIEVT8VSDplchb0n11hiBTlL0NdSjyA\n"                                           \
	"947YNQ4iaT9EV8SSQqrTqyEqdHdtaHXXcTVwi5JPB8pS80Sj283k4EM01vgeVdrk\n"                                           \
	"/gxg12KoyyfTHR6CIbvleWrLvwKBgQC3gjueiCTYpQCeH5FDXJmMHfJMp1d7Wq21\n"                                           \
	"iJcYTyu85Gq0woHZJgHGs5TPtL+5TFy/faglGxOenJ7OULELVLqh9kbQeubNNpNl\n"                                           \
	"vM0RfD8F1U99vqt08mGz3YmZukTUTaN0hQ2LIgNkPCm2PuDyo1+kN8M4D5dhbDIA\n"                                           \
	"Og6IMxnpPQKBgBl5xK/61LK+nQTRFGk9EcbwVR7HHyWy4vPdbiEIPCNoYNNVnAIx\n"                                           \
	"4FIBqVvGefvkn4lc5VFInTkB+COu7qlp3UWctlkC32zXpKK6gB2i29bVGMWgxO/L\n"                                           \
	"64wrIoamjGhKieKuRSZ+gJjBAPLTE1OvTKlysnfAOnzgipxjsbRoYUXzAoGBAJY8\n"                                           \
	"+kCdZ8UyuaG7aHtE2bUcY14cdwPXxnXkIQfW8ZERVMcuo447jqK2LbQrX/f9q8Ve\n"                                           \
	"xAW0+EgYI+/3oisLsEyfS3St2j3SW7SkcSPKm/JTpGPncYoqUpEmY9xG4skJ0zO3\n"                                           \
	"JtJtA2fR1biOHC6qUMgqmxpPsXkiUoFbBsC9TY5lAoGBAJkKn28MCYKHwJsiJteJ\n"                                           \
	"N+eBjYUZG6AHVoMjYDPnOOD9OV3MCEPh0buwNT0Xf7cIXayN7+026fgXzY9h+YLa\n"                                           \
	"4uW6vyLL7FWJoqM5tyQYHS0x/k6k8MWNXBblaVynT4xPhnBTonJTTM7Wqp00S6Xk\n"                                           \
	"eTptP5JtqrufiOL5IgNzRtPE\n"                                                                                   \
	"-----END PRIVATE KEY-----\n"
#define VECTOR_WECHAT_PUBLIC_KEY                                                                                       \
	"-----BEGIN PUBLIC KEY-----\n"                                                                                 \
	"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqDpHcxXErtDloAyUj+lI\n"                                           \
	"f5fowZm6NwnaWRthspX4Df/D/4PTchD5JgD1KFHYv13I+hzvCGUaCT4sn849YtNx\n"                                           \
	"UM5oxET1gsleSBpugMZHYsbMpzWW1/+jJYxErYsOPpIdr0nQBHs6gTOPb0IIlEtd\n"                                           \
	"SNFuqlIBnhX2MKfK+6Chh3pRaN5EYO+nT9PVuHAv22MTapbGkxc6VOH5TnxXp3wB\n"                                           \
	"r/fmHNX+1nx00xrz3SxVSsbiJsi3EUcW24a12qZk3MZ+KaaXtT6bExc2NigPS3cs\n"                                           \
	"3SlWpVNhyvQ1F15/iF2fUBCa+HE6MAm1ATJiJV9gcgapaROGObbWNj37ZmCo5mcQ\n"                                           \
	"JQIDAQAB\n"                                                                                                   \
	"-----END PUBLIC KEY-----\n"
#define VECTOR_APIV3_KEY "0123456789abcdef0123456789ABCDEF"
#define VECTOR_NONCE     "593BEC0C930BF1AFEB40B4A08C8FB242"
#define VECTOR_TIME      1764000000
#define VECTOR_REQUEST_SIGNATURE                                                                                       \
	"CDhcSVjT1SstkS7kpbDfBO9+AE1I7/Odm4+wh4hFZMXIUfuUHlChaEPpd+V6Vfekhnhd0xGTa221phqlGvlCpc81w08Pg5X/"             \
	"ZxNFNeY5glYwNU+ffLttz2HMBWFNxVwX/lONxA767b6QILDV/NH+CBQ/"                                                     \
	"K5mVs8Q+lYTMQUtywN2CPecep52WzNrxFHHhoHel8val1rGbVBqJz/Pq/EbZts03ALfJshvk6bW1AliNoane2+N0L1O6OTuQRR/"          \
	"tt7JePXaGxoE5z8cIkp7o0NV9FMAITh+WKnMZtLuWQkI0/fBi2z0mcfdgyxGmr1vJczvxKn47dKEwQrSNnejjYdLMJQ=="
#define VECTOR_CLIENT_SIGNATURE                                                                                        \
	"LICoLsqp55NMNVX4uZF1qfx1Mp2WjfSWdXpEdllsbxaXJwSvuwTMkU4mFh02xwXweUE6Wo1qeOxrwlZM/"                            \
	"Xy7qyi3puF5zj2w3LWqYHPlzJSanITAomQqqoEkWSPl64q2VctnTLQB0fG30N9UKQG602SNHzTZR+"                                \
	"8RWBtMa2pm599A0zSzCb4wE3dr8uZZAykYTfpw3olMXLCO4PpQ5DaPevXS4QUGxfffseIN91unOl+"                                \
	"ujhGXzyye04UeHXArPB84HORa1t4x90/"                                                                             \
	"C1LrYvRdbbsT+Kw7WD6Dk1BO6L96jobwIA8DQFH+FC4l0ffwzWMAQc30XpIdcIKyVuM8LHrj+6g=="
#define VECTOR_PAYMENT                                                                                                 \
	"{\"id\":\"EV-2018022511223320873\",\"create_time\":\"2015-05-20T13:29:35+08:00\",\"resource_type\":"          \
	"\"encrypt-resource\",\"event_type\":\"TRANSACTION.SUCCESS\",\"summary\":\"支付成功\",\"resource\":{"      \
	"\"original_type\":\"transaction\",\"algorithm\":\"AEAD_AES_256_GCM\",\"ciphertext\":"                         \
	"\"bz1kVndYkCFlgKSe7VZeuBxCb6jr2XsCUhw9dEHzO9M653wGxG2i4fVCms/"                                                \
	"wOqKZjUsbFiP7HsHKfJhCIMNmvF5niGEmfgzKpm7n7O7mdux9HOCci3yMn3VcdqMH1MB+fTMYa/"                                  \
	"3ZMrDJ8bVl2iXz4ScL58YvQ5IpYtXELko2/"                                                                          \
	"ITeMAMtDvdVgoHJW5eHIZCzSrKQ7tZOVOQmxrOieynwZFppDseHHE72zUZKYC0ktrG+l0ZLZocTc/k47DhYKGHM4L3vOVWp9TvMBF3v/"     \
	"dNko9SxRbzNBPDKsoMToLOabbYRHTH5YKJyl21ExibdqGyWfwLJkWlioC5hH2Mtl0Vx36RkbaiWVo9v3f9+"                          \
	"HOdfYPOwkcahb49UwtTd1BBWdtn/dFQs6XGQCHPLTKYPn0k9L4c8ueX+H3Q7UJKGX+d0XargmTNpqh9XD6Co3BPG9sDNLIWPE0vDisv/"     \
	"8uudQX0U/Di71TAC4acwd/tiQH5byVMOysVAlzcd88Io6MoiTkPzoBJYqWlGyQkygTWDXaYX8KcVe+yfHXTW7GRII494Et9qxR/KBVB/"     \
	"bVzcXsujC0EDOhLzfa4=\",\"associated_data\":\"transaction\",\"nonce\":\"fdasflkja484\"}}"
#define VECTOR_PAYMENT_SIGNATURE                                                                                       \
	"eSFy9BR50kTETNOogM7zB0TBr6A/XNaL3JJt0bT4Unl1c69FtZw/"                                                         \
	"s7WxrMgF53CqI8TgbgxoBveJLL8R0YCOBO13pFvyWxuvt10q70uOufyPoysISG9eg5HtEN/"                                      \
	"yO86f32wKld8NFgNPCTIJk+7+0vAFzLRL7kMNLUYFQjoziIC7BX6ECCJgar40FnHGV5NKANmb1xpL8m04z9LPxUFvXKL+Zc3c7s4Zo/"      \
	"vaKyZXUnEyvsMAsXdwdw4EG00fI0vX2anGFHxyRNAvd9Z8kVvBV96ZIY8kFs9IxUh6DAI2JQj5r/"                                 \
	"Jiz5ciMb0slgQ9g3tvWAyFSkBIso0aW3EfWQLcpQ=="
#define VECTOR_REFUND                                                                                                   \
	"{\"id\":\"EV-2018022511223320873\",\"create_time\":\"2015-05-20T13:29:35+08:00\",\"resource_type\":"           \
	"\"encrypt-resource\",\"event_type\":\"REFUND.SUCCESS\",\"summary\":\"支付成功\",\"resource\":{\"original_" \
	"type\":\"refund\",\"algorithm\":\"AEAD_AES_256_GCM\",\"ciphertext\":"                                          \
	"\"bz1kVndYkCFlgKSe7VZeuBxCb6jr2XsMVxgLZBGofcEd7SUTxirzwpFG4J7POMHjiyoPbh7YSLKceotHK+"                          \
	"9psAg0xTgyRlqlpRTnipznBeQWfIWKlW7K2yUDN/ZUkJkhI1xBP+/SMqjZrvAhtWaktGZXs6t3HYEhdLfEL0NnqITeMAI/"                \
	"EuUWwNCdBvjDaNDmWLiClLU/NJ0027P6KzrxZ3B0HvmaHU72zSAvE15R1dKsiFwNJNdOJpN5r2kVeg2as/"                            \
	"m0I1qyMYNBkoMRbjWQGS1aBuSaFbOe+48ymoC6HN8RfkfCUJNC0DIV+CbApGrcZxrZg3d2/mozUTRrsCs1jPo1daeCT49l0eJ/"            \
	"D+ZPIdTk06PgPtYEnYmIiHUHJZi8I0o5si7AzMIri1z5E7TiowSKfzUKiKarwFJSLpkLMcX+"                                      \
	"yypm9DsAAcz48FThr9uOPYuXSh6cz4mporSAFmcfqmPvxzoW++dhIrxgfnNRz20Wh4sZwyUX59houZ9lX2nztxFDpHRGyRNB/"             \
	"xHc2+WA9NCCg4ONsnfGGYlS7Q==\",\"associated_data\":\"\",\"nonce\":\"fdasflkja484\"}}"
#define VECTOR_EMPTY_SIGNATURE                                                                                         \
	"cWdDYHW3dt2QQd4tPl8/UslLkurJgx9PM1Fw4nrcgEemweL004/pZjslpzhgjly8c4m5K1XCC9KbFxugOmQxjKJ+clDt5CkVc/"           \
	"BOoJPm+ePKKLHvp02VMlCMAwb4vqtzw3xsZ48lClOhmBJFxgr6yGu40F+"                                                    \
	"44q8uhK7NezDNW3TbzEmX3gD0EPz5iF4XK0MKgwZKGsoBBNUEYswE7z8LfOtWMZy7Gpc1yJ8ADQyBNo/"                             \
	"dPKM+pErPKsFZ9QfgxeiQVG923O34wffoYaWfRfvu69JCeaE2qYQISO60Hzcd7JoGR2z975kZ6VHpn3xjYerebMIz1rz+Dz/"             \
	"EjwgWSVsIGA=="

#endif
