/* The identity service: contract, SQL and the flows that need C. */
#include "services/identity/identity.h"

int main(int argc, char **argv)
{
	return service_main(&identity, argc, argv);
}
