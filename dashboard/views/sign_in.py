"""Signing in and out: by password, and by a one-time link."""

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView, RedirectURLMixin, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from credentials.models import User
from credentials.sign_in import use_sign_in_token, user_for_sign_in_token


class SignInView(LoginView):
    """The sign-in page."""

    template_name = "dashboard/sign_in.html"
    redirect_authenticated_user = True


class SignOutView(LogoutView):
    """Ends the session; by POST alone."""


@method_decorator([login_not_required, never_cache], name="dispatch")
class SignInLinkView(RedirectURLMixin, View):
    """The page behind a one-time link. GET only shows a button, so that a link preview does not use the link up."""

    next_page = "/"

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Show whom the link signs in, or that it is no longer good."""
        return self._page(request, user_for_sign_in_token(token))

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Sign in and use the link up."""
        user = use_sign_in_token(token)
        if user is None:
            return self._page(request, None)
        login(request, user)
        return HttpResponseRedirect(self.get_success_url())

    def _page(self, request: HttpRequest, user: User | None) -> HttpResponse:
        context = {"link_user": user, "next": self.get_redirect_url()}
        return render(request, "dashboard/sign_in_link.html", context, status=200 if user else 410)


@login_not_required
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Send the admin's visitors to the one sign-in page. Raises PermissionDenied for who is signed in but not staff."""
    if request.user.is_authenticated:
        if not request.user.is_staff:
            raise PermissionDenied("The administration is for staff.")
        return redirect("admin:index")
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
